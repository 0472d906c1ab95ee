/** What the benchmark needs of a contestant. Each peer file holds one gateway's configuration, as fair as we can make it. */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import type { Fixtures } from "../fixtures.js";
import { isRunning } from "../processes.js";
import type { PeerName, Scenario } from "../scenarios.js";

export interface PeerSetting {
  readonly scenario: Scenario;
  readonly fixtures: Fixtures;
  /** Private to this contestant. */
  readonly directory: string;
  /** Of the gateway, and of the load generator and its services. */
  readonly core: number;
  readonly loadCore: number;
  readonly port: number;
  readonly backendPort: number;
}

export interface RunningPeer {
  readonly pid: number;
  readonly port: number;
  /** The process that moves bytes, where it is not the whole tree. */
  readonly workerPid: number | null;
  /** Where access log lines go, when the scenario asks for them. */
  readonly accessLogPath: string | null;
  /** Open connections that this machine's limits let it serve. */
  readonly maxConnections?: number;
  /** Requests counted by the contestant's own metrics; null when it has none. */
  readonly countRequests: (() => Promise<number>) | null;
}

export interface Peer {
  readonly name: PeerName;
  /** As shown in tables. */
  readonly label: string;
  /** How many routes requests are spread over; 1: the plain path of the scenario. */
  readonly routes: number;
  /** Null when it is not installed. */
  version(): string | null;
  start(setting: PeerSetting): Promise<RunningPeer>;
}

const READY_DEADLINE_MS = 15_000;

/** Resolves once the port accepts connections; rejects when the process ends first. */
export async function waitForPort(pid: number, port: number, logPath: string): Promise<void> {
  const deadline = Date.now() + READY_DEADLINE_MS;
  while (!(await canConnect(port))) {
    if (!isRunning(pid)) throw new Error(`the process ended while starting: ${lastWords(logPath)}`);
    if (Date.now() > deadline) throw new Error(`port ${port} was not opened in time: ${lastWords(logPath)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The directory with the log is gone when the benchmark has ended: quote it. */
export function lastWords(logPath: string): string {
  return readFileSync(logPath, "utf8").trim().slice(-400).replaceAll(/\s+/g, " ") || "it said nothing";
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
