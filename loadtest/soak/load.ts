/**
 * A process of its own with all the clients. Each of them takes one plan after the other until it is told to stop; its
 * connection then stays open, so that the gateway has to close it. Reports every second over the channel to its parent.
 */
import { Agent, type AgentOptions } from "node:http";
import { Agent as TlsAgent } from "node:https";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { type Lane, runExchange } from "./http-exchange.js";
import { judge, labelOf } from "./judge.js";
import { FAULTY_KINDS, GOOD_KINDS, LEAVING_KINDS, REFUSED_KINDS } from "./kinds.js";
import { type Kind, type Plan, planOf } from "./plans.js";
import { hashOf, Random } from "./random.js";
import { RAW_KINDS, type RawKind } from "./raw-exchanges.js";
import { Tally, type TallyReport } from "./tally.js";
import { runWebSockets } from "./websockets.js";

export interface LoadSetting {
  readonly seed: number;
  readonly clients: number;
  /** Percent of the requests that ask a service to misbehave. */
  readonly faultPercent: number;
  readonly webSockets: number;
  readonly ports: { readonly plain: number; readonly secure: number };
  /** Where WebSocket clients go instead of the gateway; 0: to the gateway. */
  readonly webSocketPort: number;
  readonly tokens: readonly string[];
  readonly forgedToken: string;
  readonly expiredToken: string;
}

export interface LoadReport {
  readonly type: "load";
  readonly http: TallyReport;
  readonly webSocket: TallyReport;
  /** Still under way. */
  readonly active: number;
  /** The longest that this process took to get to something: what it calls late may be its own fault then. */
  readonly worstDelayMs: number;
  readonly isStopped: boolean;
}

const REPORT_MS = 1_000;
const START_MS = 3_000;
const LEAVING_PERCENT = 4;
const REFUSED_PERCENT = 4;
const RAW_PERCENT = 1;

const setting = JSON.parse(process.argv[2] ?? "{}") as LoadSetting;
const tally = new Tally();
const webSocketTally = new Tally();
const loopDelay = monitorEventLoopDelay();
const stop = { isAsked: false };
let active = 0;
let isStopped = false;

async function runLane(index: number): Promise<void> {
  const random = new Random(setting.seed * 10_007 + index);
  const isTls = index % 2 === 1;
  const options: AgentOptions = { keepAlive: true, maxSockets: 1 };
  const agent = isTls ? new TlsAgent({ ...options, rejectUnauthorized: false }) : new Agent(options);
  const lane: Lane = { agent, isTls, port: isTls ? setting.ports.secure : setting.ports.plain };
  // All at once, the handshakes alone would keep both sides busy for seconds.
  await delay((START_MS * index) / setting.clients);
  for (let n = 0; !stop.isAsked; n++) {
    const id = `c${index}-${n}`;
    active++;
    if (random.chance(RAW_PERCENT / 100)) await runRaw(pickByWeight(RAW_KINDS, random), id, lane);
    else await runPlan(nextPlan(id, random), lane);
    active--;
  }
}

function nextPlan(id: string, random: Random): Plan {
  const plan = planOf(pickByWeight(tableFor(random.next() * 100), random), id, random);
  const { authorization } = plan.headers;
  if (authorization === undefined) return plan;
  return { ...plan, headers: { ...plan.headers, authorization: `Bearer ${tokenFor(authorization)}` } };
}

function tableFor(percent: number): readonly Kind[] {
  const { faultPercent } = setting;
  if (percent < faultPercent) return FAULTY_KINDS;
  if (percent < faultPercent + LEAVING_PERCENT) return LEAVING_KINDS;
  return percent < faultPercent + LEAVING_PERCENT + REFUSED_PERCENT ? REFUSED_KINDS : GOOD_KINDS;
}

function tokenFor(name: string): string {
  if (name === "forged") return setting.forgedToken;
  return name === "expired" ? setting.expiredToken : (setting.tokens[Number(name)] ?? "");
}

async function runPlan(plan: Plan, lane: Lane): Promise<void> {
  const outcome = await runExchange(plan, lane);
  const why = judge(plan, outcome);
  tally.count(plan.kind, labelOf(outcome), outcome.type === "answer" ? outcome.bytes : 0);
  if (why !== "") tally.wrong(plan.kind, `${lane.isTls ? "https" : "http"} ${plan.method} ${plan.target}`, why);
}

async function runRaw(kind: RawKind, id: string, { port, isTls, agent }: Lane): Promise<void> {
  let why: string;
  try {
    // Its own generator: how much it draws depends on what it meets.
    why = await kind.run({ port, isTls, id, random: new Random(setting.seed + hashOf(id)) });
  } catch (error) {
    why = (error as Error).message;
  }
  // The lane's own connection may have been idle for as long as the gateway allows: using it now would be a gamble.
  agent.destroy();
  tally.count(kind.name, why === "" ? "fine" : "wrong");
  if (why !== "") tally.wrong(kind.name, id, why);
}

function pickByWeight<T extends { readonly weight: number }>(kinds: readonly T[], random: Random): T {
  let at = random.next() * kinds.reduce((sum, { weight }) => sum + weight, 0);
  for (const kind of kinds) {
    at -= kind.weight;
    if (at < 0) return kind;
  }
  return kinds.at(-1) as T;
}

function report(): void {
  const worstDelayMs = Math.round(loopDelay.max / 1e6);
  process.send?.({
    type: "load",
    http: tally.report(),
    webSocket: webSocketTally.report(),
    active,
    worstDelayMs,
    isStopped,
  } satisfies LoadReport);
}

async function run(): Promise<void> {
  const { webSockets, webSocketPort, ports, seed } = setting;
  const lanes = Array.from({ length: setting.clients }, (_, index) => runLane(index));
  const sockets = runWebSockets({ count: webSockets, ports, directPort: webSocketPort, seed }, webSocketTally, stop);
  await Promise.all([...lanes, sockets]);
  isStopped = true;
  report();
}

process.once("disconnect", () => process.exit(0));
process.on("message", (message) => {
  if (message === "stop") stop.isAsked = true;
});
loopDelay.enable();
setInterval(report, REPORT_MS);
void run();
