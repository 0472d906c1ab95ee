/** A real DNS server with names that a test changes. Needs dnsmasq; binds a free port of 127.0.0.1, UDP and TCP. */
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lookup } from "../../src/discovery/dns/lookup.js";
import { eventually } from "./gateway.js";

export interface Dnsmasq {
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** Lines as in /etc/hosts; known as soon as it resolves. */
  setHosts(lines: readonly string[]): void;
  /** Stops answering without closing its port, and goes on. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

export interface DnsmasqOptions {
  readonly hosts: readonly string[];
  readonly ttlSeconds: number;
  /** Further lines of its configuration, such as `srv-host=…`. */
  readonly lines?: readonly string[];
}

export async function startDnsmasq(options: DnsmasqOptions): Promise<Dnsmasq> {
  const directory = mkdtempSync(join(tmpdir(), "windrose-dnsmasq-"));
  const hostsFile = join(directory, "hosts");
  const writeHosts = (lines: readonly string[]): void => writeFileSync(hostsFile, `${lines.join("\n")}\n`);
  writeHosts(options.hosts);
  const port = await freePort();
  const lines = [
    ...["no-resolv", "no-hosts", "bind-interfaces", "listen-address=127.0.0.1", `port=${port}`, "user=", "group=", "domain-needed"],
    ...[`addn-hosts=${hostsFile}`, `local-ttl=${options.ttlSeconds}`, "local=/test/", "pid-file=", "cache-size=0"],
    ...["srv-host=_alive._tcp.test,alive.test,1", "host-record=alive.test,127.0.0.1", ...(options.lines ?? [])],
  ];
  const configuration = join(directory, "dnsmasq.conf");
  writeFileSync(configuration, `${lines.join("\n")}\n`);
  const child = spawn("dnsmasq", ["--keep-in-foreground", "--log-facility=-", `--conf-file=${configuration}`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const address = `127.0.0.1:${port}`;
  await eventually(() => {
    if (child.exitCode !== null) throw new Error(`dnsmasq ended: ${stderr}`);
    return knowsItself(address);
  }, "dnsmasq to answer");
  return {
    address,
    setHosts(changed) {
      writeHosts(changed);
      child.kill("SIGHUP");
    },
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    async stop() {
      await end(child);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function knowsItself(address: string): Promise<boolean> {
  const options = { servers: [address], timeoutMs: 500, stop: new AbortController().signal };
  return await lookup("alive.test", "A", options).then(
    ({ records }) => records.length === 1,
    () => false,
  );
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}

/** Free for UDP and TCP at this moment; dnsmasq cannot choose one itself. */
async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const socket = createSocket("udp4");
    const isFree = await new Promise<boolean>((resolve) => {
      socket.once("error", () => resolve(false));
      socket.bind(port, "127.0.0.1", () => resolve(true));
    });
    socket.close();
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
}
