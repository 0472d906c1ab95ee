/**
 * The state of an apply that is watched: it is kept when its time has passed, goes back to the version before when a route gets
 * worse, and ends when something else is put into service meanwhile.
 */
import type { GuardView } from "../../admin/views.js";
import type { ApplyOutcome, ConfigText, ObjectChange } from "../../engine/model/configuration.js";
import { type GuardPolicy, RouteGuard, type RouteTotals, touchedRoutes } from "./guard.js";
import type { GuardRecord } from "./guard-file.js";
import type { ChangeOrigin, LastChange, LiveConfiguration, Served } from "./live-configuration.js";

export interface GuardedApplyPorts {
  readonly live: LiveConfiguration;
  /** Of this moment: asks the workers. */
  totals(): Promise<RouteTotals>;
  /** Of the last report. */
  lastTotals(): RouteTotals;
  log(message: string, facts: object): void;
  /** For whoever takes this process's place; null: nothing is watched any more. */
  remember(record: GuardRecord | null): void;
}

/** What another process watched, and is to be watched on. */
export interface Inherited {
  readonly record: GuardRecord;
  readonly before: Served;
  /** From `before` to what is watched. */
  readonly changes: readonly ObjectChange[];
}

export interface GuardedApplies {
  readonly view: GuardView;
  apply(texts: readonly ConfigText[], origin: ChangeOrigin, policy: GuardPolicy): Promise<ApplyOutcome>;
  /** Goes on where another process stopped, with counters that begin anew: nothing is known of the time before the apply. */
  inherit(inherited: Inherited): void;
  /** Another process is to watch. */
  suspend(): void;
  resume(): void;
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
  readonly changes: readonly ObjectChange[];
  readonly maxErrorRate: number;
  /** Of `performance.now()`: the clock of the machine may be set meanwhile. */
  readonly endsAtMs: number;
}

class Applies implements GuardedApplies {
  readonly #ports: GuardedApplyPorts;
  readonly #samples: RouteTotals[] = [];
  readonly #sampler: NodeJS.Timeout;
  #watching: Watching | null = null;
  #ended: GuardView = { state: "idle" };
  #timer: NodeJS.Timeout | null = null;
  #isSuspended = false;

  constructor(ports: GuardedApplyPorts) {
    this.#ports = ports;
    this.#sampler = setInterval(() => this.#sample(), SAMPLE_EVERY_MS);
    this.#sampler.unref();
  }

  get view(): GuardView {
    const watching = this.#watching;
    if (watching === null) return this.#ended;
    const endsAt = new Date(Date.now() + watching.endsAtMs - performance.now()).toISOString();
    return { state: "watching", endsAt, ...facts(watching) };
  }

  async apply(texts: readonly ConfigText[], origin: ChangeOrigin, policy: GuardPolicy): Promise<ApplyOutcome> {
    const { live } = this.#ports;
    const start = await this.#ports.totals();
    const earlier = this.#samples[0] ?? new Map();
    const outcome = await live.apply(texts, origin);
    const { last } = live;
    if (outcome.result !== "applied" || last?.outcome !== outcome) return outcome;
    // Not what was served when it was asked for: others may have had their turn before.
    const { before } = last;
    const { changes } = outcome;
    const { maxErrorRate, durationMs } = policy;
    const { version } = outcome;
    const record = { version, previousSequence: before.sequence, maxErrorRate, endsAtMs: Date.now() + durationMs };
    this.#ports.remember(record);
    this.#watch({ record, before, changes }, earlier, start);
    return outcome;
  }

  inherit(inherited: Inherited): void {
    this.#watch(inherited, new Map(), new Map());
  }

  suspend(): void {
    this.#isSuspended = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  resume(): void {
    this.#isSuspended = false;
    this.#plan();
  }

  changed({ origin, outcome }: LastChange): void {
    const watching = this.#watching;
    if (watching === null || outcome.result !== "applied" || outcome.version === watching.version || origin.source === "guard") return;
    this.#end({ state: "superseded", decidedAt: now(), reason: `version ${outcome.version} was put into service`, ...facts(watching) });
  }

  stop(): void {
    clearInterval(this.#sampler);
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #watch({ record, before, changes }: Inherited, earlier: RouteTotals, start: RouteTotals): void {
    const { version, maxErrorRate } = record;
    const routes = touchedRoutes(before.snapshot, this.#ports.live.served.snapshot);
    const guard = new RouteGuard(routes, maxErrorRate, earlier, start);
    const endsAtMs = performance.now() + Math.max(0, record.endsAtMs - Date.now());
    this.#watching = { guard, version, before, changes, maxErrorRate, endsAtMs };
    this.#plan();
  }

  #sample(): void {
    this.#samples.push(this.#ports.lastTotals());
    if (this.#samples.length > SAMPLES) this.#samples.shift();
  }

  #plan(): void {
    const watching = this.#watching;
    if (watching === null) return;
    const delayMs = Math.max(0, Math.min(LOOK_EVERY_MS, watching.endsAtMs - performance.now()));
    this.#timer = setTimeout(() => void this.#look(watching), delayMs);
  }

  async #look(watching: Watching): Promise<void> {
    const isLast = performance.now() >= watching.endsAtMs;
    const totals = await this.#ports.totals();
    if (this.#watching !== watching || this.#isSuspended) return;
    const reason = watching.guard.judge(totals, isLast);
    if (reason !== null) return await this.#goBack(watching, reason);
    if (!isLast) return this.#plan();
    this.#ports.log("the guarded configuration is kept", { version: watching.version });
    this.#end({ state: "kept", decidedAt: now(), ...facts(watching) });
  }

  /** Until it has gone back, it is still being watched: others may look what has become of it. */
  async #goBack(watching: Watching, reason: string): Promise<void> {
    const { live, log } = this.#ports;
    const { before, version, changes } = watching;
    log("the guarded configuration goes back", { version, previous: before.version, reason });
    const instead = { version, changes: changes.map(backwards) };
    const outcome = await live.restore(before, instead, { source: "guard", author: "guard", note: reason });
    // Null: whatever came first has ended this.
    if (outcome === null || this.#watching !== watching) return;
    const failure = outcome.result === "failed" ? outcome.message : null;
    if (failure !== null) log("going back failed", { version, failure });
    this.#end({ state: "rolledBack", decidedAt: now(), reason, failure, ...facts(watching) });
  }

  #end(view: GuardView): void {
    this.#watching = null;
    this.#ended = view;
    this.#ports.remember(null);
  }
}

function facts({ guard, version, before, maxErrorRate }: Watching) {
  return { version, previous: before.version, maxErrorRate, routes: guard.watched() };
}

const OPPOSITES = { added: "removed", removed: "added", changed: "changed", moved: "moved" } as const;

/** The same between the two in the other order. */
export function backwards({ kind, name, change, fields }: ObjectChange): ObjectChange {
  const swapped = fields.map(({ path, before, after }) => ({ path, before: after, after: before }));
  return { kind, name, change: OPPOSITES[change], fields: swapped };
}

function now(): string {
  return new Date().toISOString();
}
