/**
 * What the admin server shows and what it may ask for, as functions that control provides: the server never sees internals,
 * and never a secret but in `version`. What may go wrong is a value; a rejected promise is a bug and becomes a 500.
 */
import type {
  ApplyOutcome,
  ChangeSource,
  ConfigProblem,
  ConfigText,
  ConfigVersion,
  ObjectChange,
  StoredVersion,
} from "../engine/model/configuration.js";
import type { Explanation, RequestDescription } from "../engine/model/explanation.js";

export interface AdminViews extends StatusViews, ConfigurationViews, OverrideViews {}

/** Read-only. */
export interface StatusViews {
  /** Prometheus text. */
  metricsText(): Promise<string>;
  /** Liveness: whether this process should be left alone. */
  health(): HealthView;
  /** Readiness: whether traffic should be sent here. Not ready while starting and draining. */
  readiness(): ReadinessView;
  info(): InfoView;
  /** As the workers that answer in time see them. */
  services(): Promise<readonly ServiceView[]>;
  /** Of services whose endpoints are found at run time. */
  sources(): readonly SourceView[];
  /** The configuration being served, without secrets; plain JSON. */
  snapshotView(): unknown;
}

export interface SourceView {
  readonly service: string;
  readonly type: string;
  /** Kind and place. */
  readonly source: string;
  /** `waiting`: nothing found yet. `stale`: it fails, and what was found before is in use. */
  readonly status: "waiting" | "ready" | "stale";
  readonly endpoints: number;
  /** Grows with every change. */
  readonly version: number;
  /** Since the endpoints in use were confirmed; null: never. */
  readonly ageSeconds: number | null;
  readonly confirmedAt: string | null;
  readonly changedAt: string | null;
  /** Null: when it is told of a change. */
  readonly nextTryAt: string | null;
  readonly failures: number;
  /** "" when the last look succeeded. */
  readonly lastError: string;
  /** What was left out because it cannot be used, and which servers were passed over; "": nothing. */
  readonly note: string;
}

/** What operators say of endpoints at run time; it makes no version. */
export interface OverrideViews {
  overrides(): readonly OverrideView[];
  override(order: OverrideOrder): OverrideResult;
  /** Takes it back. */
  restore(place: Pick<OverrideOrder, "service" | "address">): RestoreResult;
}

export interface OverrideOrder {
  readonly service: string;
  /** `host:port`. */
  readonly address: string;
  /** Null: what the source says. */
  readonly weight: number | null;
  readonly isDraining: boolean;
  readonly note: string;
  readonly author: string;
  /** Null: until it is taken back. */
  readonly ttlMs: number | null;
  /** Instead of `ttlMs`, for the weight alone. ISO 8601; null: until it is taken back. */
  readonly weightUntil?: string | null;
  /** The same for the draining. */
  readonly drainingUntil?: string | null;
}

export interface OverrideView extends Omit<OverrideOrder, "ttlMs" | "weightUntil" | "drainingUntil"> {
  /** ISO 8601. */
  readonly setAt: string;
  /** Null: until it is taken back, or there is no weight. */
  readonly weightUntil: string | null;
  /** Null: until it is taken back, or it is not drained. */
  readonly drainingUntil: string | null;
  /** The service has this endpoint now. */
  readonly isPresent: boolean;
}

export type OverrideResult =
  /** `isKept`: it is on disk, and outlives this process. */
  | { readonly result: "set"; readonly isKept: boolean; readonly override: OverrideView }
  | { readonly result: "invalid" | "full"; readonly message: string }
  | NotFound;

export type RestoreResult =
  /** `isKept`: the disk knows; else the override is back with the next process. */
  { readonly result: "restored"; readonly isKept: boolean; readonly service: string; readonly address: string } | NotFound;

/** Everything about versions of the configuration; authors and notes are remembered with them. */
export interface ConfigurationViews {
  configStatus(): Promise<ConfigStatusView>;
  /** Reads the document from where it was read at the start. */
  reload(author: string): Promise<ChangeResult>;
  /** Relative paths in the texts start in the gateway's configuration folder. */
  apply(order: ApplyOrder): Promise<ApplyResult>;
  rollback(order: RollbackOrder): Promise<ChangeResult | NotFound>;
  /** Newest first. */
  versions(): Promise<readonly ConfigVersion[]>;
  /** With its texts, which may hold secrets. `id`: a version, a unique beginning of one (at least 4 digits), or a sequence. */
  version(id: string): Promise<StoredVersion | null>;
  /** What has to change to get from `a` to `b`. */
  diff(a: string, b: string): Promise<DiffResult>;
  explain(request: RequestDescription): Promise<ExplainResult>;
  /** A signed value for the `x-windrose-explain` field of requests. Secret while it lasts. */
  explainToken(order: { readonly ttlMs: number }): ExplainTokenView;
  /** The state of the last guarded apply. */
  guard(): GuardView;
  /** Starts the program anew from disk; it takes over and this process drains. Resolves when that has begun, or cannot. */
  upgrade(author: string): Promise<UpgradeResult>;
  /** Compiles the texts as `apply` would and changes nothing. */
  check(texts: readonly ConfigText[]): Promise<CheckResult>;
}

/** Another change is under way; nothing was done. */
export interface Busy {
  readonly result: "busy";
  readonly message: string;
}

/** There is no such thing, or it is not named in a way that is unique. */
export interface NotFound {
  readonly result: "notFound";
  readonly message: string;
}

export type ChangeResult = ApplyOutcome | Busy;

/** What a dry run says instead of `applied`. */
export interface PlannedChange {
  readonly result: "planned";
  readonly version: string;
  readonly previous: string;
  /** Workers would be replaced. */
  readonly needsRoll: boolean;
  readonly changes: readonly ObjectChange[];
  readonly warnings: readonly ConfigProblem[];
}

export type ApplyResult = ChangeResult | PlannedChange;

export interface ApplyOrder {
  /** Never empty; names are relative, without `..`. */
  readonly texts: readonly ConfigText[];
  readonly note: string;
  readonly author: string;
  /** Null: serve it whatever happens. */
  readonly guard: GuardPolicy | null;
  /** Says what would happen and changes nothing. */
  readonly isDryRun: boolean;
}

export interface GuardPolicy {
  readonly durationMs: number;
  /** By how much the share of requests that fail on a changed route may grow, 0 to 1. */
  readonly maxErrorRate: number;
}

export interface RollbackOrder {
  /** As in `version`. */
  readonly version: string;
  readonly note: string;
  readonly author: string;
}

export interface ConfigStatusView {
  /** Being served. */
  readonly version: string;
  readonly sequence: number;
  /** ISO 8601; when it was put into service. */
  readonly since: string;
  readonly source: ChangeSource;
  readonly author: string;
  readonly note: string;
  /** Where `reload` reads. */
  readonly path: string;
  readonly disk: DiskView;
  /** The last attempt to change what is served after the start, whatever asked for it; null before the first. */
  readonly lastReload: ReloadView | null;
}

/** How what is on disk compares with what is served. */
export type DiskView =
  | { readonly state: "same" }
  /** It compiles, to another version; `reason` in words, for example "rolled back to 3f2a… by admin". */
  | { readonly state: "differs"; readonly version: string; readonly reason: string }
  /** It does not compile, or cannot be read. */
  | { readonly state: "broken"; readonly reason: string; readonly problems: readonly ConfigProblem[] };

export interface ReloadView {
  /** ISO 8601. */
  readonly at: string;
  readonly trigger: ChangeSource;
  readonly author: string;
  readonly outcome: ApplyOutcome;
}

export type DiffResult =
  | NotFound
  | { readonly result: "compared"; readonly from: string; readonly to: string; readonly changes: readonly ObjectChange[] };

export type ExplainResult =
  | { readonly result: "explained"; readonly explanation: Explanation }
  /** For example a listener that does not exist. */
  | { readonly result: "invalid"; readonly message: string };

export interface ExplainTokenView {
  /** Secret. */
  readonly token: string;
  /** ISO 8601. */
  readonly expiresAt: string;
}

/** All but `idle` tell of the last guarded apply: `version` is what it applied, `previous` what it goes back to. */
export type GuardView =
  | { readonly state: "idle" }
  | ({ readonly state: "watching"; readonly endsAt: string } & GuardedApply)
  | ({ readonly state: "kept"; readonly decidedAt: string } & GuardedApply)
  /** `failure`: why going back failed, null when it worked. */
  | ({ readonly state: "rolledBack"; readonly decidedAt: string; readonly reason: string; readonly failure: string | null } & GuardedApply)
  /** Nobody watches any more because something else was put into service meanwhile. */
  | ({ readonly state: "superseded"; readonly decidedAt: string; readonly reason: string } & GuardedApply);

export interface GuardedApply {
  readonly version: string;
  readonly previous: string;
  readonly maxErrorRate: number;
  /** Routes that the apply changed or added, as they did since. */
  readonly routes: readonly GuardedRoute[];
}

export interface GuardedRoute {
  readonly name: string;
  /** Since the apply. */
  readonly requests: number;
  /** 0 to 1; 0 without requests. */
  readonly errorRate: number;
  /** Before the apply; null for a new route or one without requests. */
  readonly baselineErrorRate: number | null;
}

export type UpgradeResult =
  | { readonly result: "started"; readonly pid: number }
  | { readonly result: "failed"; readonly message: string }
  | Busy
  /** Not possible as this process was started, for example with --single. */
  | { readonly result: "unsupported"; readonly message: string };

export type CheckResult =
  | { readonly result: "good"; readonly version: string; readonly warnings: readonly ConfigProblem[] }
  | { readonly result: "rejected"; readonly problems: readonly ConfigProblem[] };

export interface HealthView {
  readonly isHealthy: boolean;
  readonly reasons: readonly string[];
}

export interface ReadinessView {
  readonly isReady: boolean;
  /** Why not; empty when ready. */
  readonly reasons: readonly string[];
}

export interface InfoView {
  /** Of Windrose. */
  readonly version: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly snapshotVersion: string;
  readonly workers: readonly WorkerView[];
  /** Workers started again after they ended unexpectedly. */
  readonly workerRestarts: number;
  readonly listeners: readonly ListenerView[];
}

export interface WorkerView {
  readonly id: number;
  readonly pid: number;
  /** `starting`, `ready`, `draining`… */
  readonly state: string;
  /** Version it has acknowledged, or "". */
  readonly snapshotVersion: string;
}

export type CircuitState = "closed" | "halfOpen" | "open";

export interface ServiceView {
  readonly name: string;
  readonly protocol: string;
  readonly algorithm: string;
  /** Kind of its active checks; null: it has none. */
  readonly healthCheck: string | null;
  /** Of the service as a whole, such as an open circuit. */
  readonly reasons: readonly string[];
  /** A worker asks all endpoints because too few are well. */
  readonly isPanicking: boolean;
  /** The worst of the workers. */
  readonly circuit: CircuitState;
  readonly endpoints: readonly EndpointView[];
}

export interface EndpointView {
  /** `host:port`. */
  readonly address: string;
  /** In use. */
  readonly weight: number;
  readonly zone: string;
  readonly priority: number;
  /** What subsets choose by; version and identity of instances of the registry among them. */
  readonly labels: Readonly<Record<string, string>>;
  readonly state: "healthy" | "unhealthy" | "ejected" | "draining";
  /** For its state, and for what may follow. */
  readonly reasons: readonly string[];
  /** What an operator has said of it; null: nothing. */
  readonly override: OverrideView | null;
  /** Attempts under way. */
  readonly inFlight: number;
  /** The worst of the workers. */
  readonly circuit: CircuitState;
  /** Workers that have ejected it. */
  readonly ejectedBy: number;
  /** The longest of what is left of these ejections. */
  readonly ejectedForMs: number;
  /** Workers that have answered. */
  readonly workers: number;
  /** The last active checks, newest first. */
  readonly checks: readonly CheckView[];
}

export interface CheckView {
  /** ISO 8601. */
  readonly at: string;
  readonly durationMs: number;
  readonly isPassed: boolean;
  readonly text: string;
}

export interface ListenerView {
  readonly name: string;
  readonly direction: string;
  readonly protocol: string;
  readonly host: string;
  readonly port: number;
}
