/**
 * The clients of the chaos test, a process of its own: requests come at a constant rate whatever becomes of those before
 * them, and their time counts from when they were due, so that a stall is felt by all that fell into it.
 */
import { Agent, get } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { bodyOf, epochMs } from "./shared.js";

export interface LoadSetting {
  readonly port: number;
  /** Requests per second. */
  readonly rate: number;
  /** Ahead of the request's number, in turn. */
  readonly prefixes: readonly string[];
}

/** Number, milliseconds from when it was due, and what came: a status, or a word. */
export type Outcome = readonly [number: number, elapsedMs: number, result: string];

export interface LoadReport {
  readonly type: "load";
  /** When request 0 was due. */
  readonly startedAtMs: number;
  /** Complete in the last report, empty in the first. */
  readonly outcomes: readonly Outcome[];
  /** How late the latest request left: the machine's fault, not the gateway's. */
  readonly worstLateMs: number;
}

/** Longer than any gateway lets a request take. */
const DEADLINE_MS = 20_000;
/** Connections idle for so long are closed by us, before a gateway does and meets a request. */
const IDLE_MS = 4_000;

const { port, rate, prefixes } = JSON.parse(process.argv[2] ?? "{}") as LoadSetting;
const agent = new Agent({ keepAlive: true, timeout: IDLE_MS });
const outcomes: Outcome[] = [];
const underWay = new Set<Promise<void>>();
const periodMs = 1000 / rate;
let worstLateMs = 0;
let isStopped = false;

async function run(): Promise<void> {
  const startedAtMs = epochMs();
  report(startedAtMs, []);
  for (let number = 0; !isStopped; await delay(Math.max(1, startedAtMs + number * periodMs - epochMs()))) {
    for (; startedAtMs + number * periodMs <= epochMs(); number++) begin(number, startedAtMs + number * periodMs);
  }
  while (underWay.size > 0) await Promise.all(underWay);
  agent.destroy();
  report(startedAtMs, outcomes);
}

function begin(number: number, dueMs: number): void {
  worstLateMs = Math.max(worstLateMs, epochMs() - dueMs);
  const work = ask(number).then((result) => {
    outcomes.push([number, epochMs() - dueMs, result]);
    underWay.delete(work);
  });
  underWay.add(work);
}

/** Never rejects. */
function ask(number: number): Promise<string> {
  const path = `${prefixes[number % prefixes.length]}/${number}`;
  return new Promise((resolve) => {
    const request = get({ host: "127.0.0.1", port, path, agent, signal: AbortSignal.timeout(DEADLINE_MS) }, (response) => {
      let text = "";
      response.setEncoding("latin1").on("data", (chunk) => (text += chunk));
      response.on("error", () => resolve("cut off"));
      response.on("end", () =>
        resolve(response.statusCode !== 200 || text === bodyOf(String(number)) ? `${response.statusCode}` : "wrong"),
      );
    });
    // Sockets in use have no limit of their own but the deadline.
    request.on("timeout", () => {});
    request.on("error", (error) => resolve(error.name === "AbortError" || error.name === "TimeoutError" ? "no answer" : "broken"));
  });
}

function report(startedAtMs: number, done: readonly Outcome[]): void {
  process.send?.({ type: "load", startedAtMs, outcomes: done, worstLateMs } satisfies LoadReport);
}

process.on("message", () => {
  isStopped = true;
});
process.once("disconnect", () => process.exit(0));
await run();
