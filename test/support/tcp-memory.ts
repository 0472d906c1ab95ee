import { readFileSync } from "node:fs";

/**
 * Connections that the kernel has reset because TCP has used up the memory of the whole machine (`net.ipv4.tcp_mem`), for
 * whatever program: transfers that break off meanwhile are not the gateway's doing.
 */
export function tcpMemoryAborts(): number {
  const [names, values] = readFileSync("/proc/net/netstat", "latin1")
    .split("\n", 2)
    .map((line) => line.split(" "));
  return Number(values?.[names?.indexOf("TCPAbortOnMemory") ?? -1] ?? 0);
}
