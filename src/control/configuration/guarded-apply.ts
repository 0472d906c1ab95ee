/**
 * The state of an apply that is watched: it is kept when its time has passed, goes back to the version before when a route gets
 * worse, and ends when something else is put into service meanwhile.
 */
import type { GuardView } from "../../admin/views.js";
import type { ApplyOutcome, ConfigText } from "../../engine/model/configuration.js";
import { type GuardPolicy, RouteGuard, type RouteTotals, touchedRoutes } from "./guard.js";
import type { ChangeOrigin, LastChange, LiveConfiguration, Served } from "./live-configuration.js";

export interface GuardedApplyPorts {
  readonly live: LiveConfiguration;
  /** Of this moment: asks the workers. */
  totals(): Promise<RouteTotals>;
  /** Of the last report. */
  lastTotals(): RouteTotals;
  log(message: string, facts: object): void;
}

export interface GuardedApplies {
  readonly view: GuardView;
  apply(texts: readonly ConfigText[], origin: ChangeOrigin, policy: GuardPolicy): Promise<ApplyOutcome>;
  /** Something was put into service. */
  changed(last: LastChange): void;
  stop(): void;
}

const LOOK_EVERY_MS = 1_000;
const SAMPLE_EVERY_MS = 10_000;
/** The minute before an apply is what it is compared with. */
const SAMPLES = 6;

export function createGuardedApplies(ports: GuardedApplyPorts): GuardedApplies {
  return new Applies(ports);
}

interface Watching {
  readonly guard: RouteGuard;
  readonly version: string;
  readonly before: Served;
  readonly policy: GuardPolicy;
  readonly endsAtMs: number;
}

class Applies implements GuardedApplies {
  readonly #ports: GuardedApplyPorts;
  readonly #samples: RouteTotals[] = [];
  readonly #sampler: NodeJS.Timeout;
  #watching: Watching | null = null;
  #ended: GuardView = { state: "idle" };
  #timer: NodeJS.Timeout | null = null;

  constructor(ports: GuardedApplyPorts) {
    this.#ports = ports;
    this.#sampler = setInterval(() => this.#sample(), SAMPLE_EVERY_MS);
    this.#sampler.unref();
  }

  get view(): GuardView {
    const watching = this.#watching;
    if (watching === null) return this.#ended;
    return { state: "watching", endsAt: new Date(watching.endsAtMs).toISOString(), ...facts(watching) };
  }

  async apply(texts: readonly ConfigText[], origin: ChangeOrigin, policy: GuardPolicy): Promise<ApplyOutcome> {
    const { live } = this.#ports;
    const start = await this.#ports.totals();
    const earlier = this.#samples[0] ?? new Map();
    const before = live.served;
    const outcome = await live.apply(texts, origin);
    if (outcome.result !== "applied") return outcome;
    const routes = touchedRoutes(before.snapshot, live.served.snapshot);
    const guard = new RouteGuard(routes, policy.maxErrorRate, earlier, start);
    this.#watching = { guard, version: outcome.version, before, policy, endsAtMs: Date.now() + policy.durationMs };
    this.#plan();
    return outcome;
  }

  changed({ outcome }: LastChange): void {
    const watching = this.#watching;
    if (watching === null || outcome.result !== "applied" || outcome.version === watching.version) return;
    this.#end({ state: "superseded", decidedAt: now(), reason: `version ${outcome.version} was put into service`, ...facts(watching) });
  }

  stop(): void {
    clearInterval(this.#sampler);
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #sample(): void {
    this.#samples.push(this.#ports.lastTotals());
    if (this.#samples.length > SAMPLES) this.#samples.shift();
  }

  #plan(): void {
    const watching = this.#watching;
    if (watching === null) return;
    const delayMs = Math.max(0, Math.min(LOOK_EVERY_MS, watching.endsAtMs - Date.now()));
    this.#timer = setTimeout(() => void this.#look(watching), delayMs);
  }

  async #look(watching: Watching): Promise<void> {
    const isLast = Date.now() >= watching.endsAtMs;
    const totals = await this.#ports.totals();
    if (this.#watching !== watching) return;
    const reason = watching.guard.judge(totals, isLast);
    if (reason !== null) return await this.#goBack(watching, reason);
    if (!isLast) return this.#plan();
    this.#ports.log("the guarded configuration is kept", { version: watching.version });
    this.#end({ state: "kept", decidedAt: now(), ...facts(watching) });
  }

  async #goBack(watching: Watching, reason: string): Promise<void> {
    const { live, log } = this.#ports;
    const { before, version } = watching;
    log("the guarded configuration goes back", { version, previous: before.version, reason });
    // First: the change that this is must not look like somebody else's.
    this.#watching = null;
    const outcome = await live.apply(before.texts, { source: "guard", author: "guard", note: reason });
    const failure = outcome.result === "applied" || outcome.result === "unchanged" ? null : describeFailure(outcome);
    if (failure !== null) log("going back failed", { version, failure });
    this.#end({ state: "rolledBack", decidedAt: now(), reason, failure, ...facts(watching) });
  }

  #end(view: GuardView): void {
    this.#watching = null;
    this.#ended = view;
  }
}

function facts({ guard, version, before, policy }: Watching) {
  return { version, previous: before.version, maxErrorRate: policy.maxErrorRate, routes: guard.watched() };
}

function describeFailure(outcome: Extract<ApplyOutcome, { readonly result: "rejected" | "failed" }>): string {
  if (outcome.result === "failed") return outcome.message;
  const [first] = outcome.problems;
  return first === undefined ? "it has problems" : `${first.file}:${first.line}:${first.column} ${first.message}`;
}

function now(): string {
  return new Date().toISOString();
}
