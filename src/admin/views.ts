/** What the admin server shows, as functions that control provides: the server never sees internals, and never a secret. */

export interface AdminViews {
  /** Prometheus text. */
  metricsText(): Promise<string>;
  /** Liveness: whether this process should be left alone. */
  health(): HealthView;
  /** Readiness: whether traffic should be sent here. Not ready while starting and draining. */
  readiness(): ReadinessView;
  info(): InfoView;
  /** The configuration being served, without secrets; plain JSON. */
  snapshotView(): unknown;
}

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

export interface ListenerView {
  readonly name: string;
  readonly direction: string;
  readonly protocol: string;
  readonly host: string;
  readonly port: number;
}
