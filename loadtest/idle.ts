/** How much memory idle connections cost. uWebSockets.js closes what is idle for 12 s, so reading happens right after opening. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RunningPeer } from "./peers/peer.js";
import { hardFileLimit, isRunning, processTree, residentBytes, startPinned, stop } from "./processes.js";
import type { IdleSample } from "./results.js";
import { IDLE_CONNECTIONS, type Scenario } from "./scenarios.js";

const OPEN_DEADLINE_MS = 30_000;
const SETTLE_MS = 1000;
/** Files a contestant needs besides its downstream connections. */
const SPARE_FILES = 1000;

export async function measureIdle(
  scenario: Scenario,
  peer: RunningPeer,
  clientPath: string,
  directory: string,
  core: number,
): Promise<IdleSample> {
  const pids = processTree(peer.pid);
  await settle();
  const before = residentBytes(pids);
  const stdoutPath = join(directory, "idle-client.out");
  writeFileSync(stdoutPath, "");
  const kind = scenario.http === "2" ? "h2" : scenario.isTls ? "tls" : "plain";
  const wanted = Math.min(IDLE_CONNECTIONS, hardFileLimit() - SPARE_FILES, peer.maxConnections ?? IDLE_CONNECTIONS);
  const args = [clientPath, String(peer.port), String(wanted), scenario.path, kind];
  const client = startPinned(process.execPath, args, { core, logPath: join(directory, "idle-client.log"), stdoutPath });
  try {
    const connections = await openedConnections(client.pid, stdoutPath);
    await settle();
    return { connections, grownBytes: residentBytes(pids) - before };
  } finally {
    await stop(client.pid);
  }
}

async function openedConnections(pid: number, stdoutPath: string): Promise<number> {
  const deadline = Date.now() + OPEN_DEADLINE_MS;
  for (;;) {
    const line = readFileSync(stdoutPath, "utf8");
    if (line.endsWith("\n")) {
      const report = JSON.parse(line) as { opened: number; problem?: string };
      if (report.problem !== undefined) throw new Error(`after ${report.opened} connections: ${report.problem}`);
      return report.opened;
    }
    if (!isRunning(pid)) throw new Error("the process that opens connections ended");
    if (Date.now() > deadline) throw new Error("opening the connections took too long");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}
