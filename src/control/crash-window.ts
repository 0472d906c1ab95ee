/** How often workers have crashed lately: too often is a reason to send traffic elsewhere, while what works serves on. */
import type { SupervisionSpec } from "../engine/model/snapshot.js";
import type { MetricsAggregator } from "../telemetry/metrics-aggregator.js";
import type { ProcessLog } from "../telemetry/process-log.js";

/** However large the limit, so many are remembered at most. */
const MAX_REMEMBERED = 1_000;

export class CrashWindow {
  readonly #log: Pick<ProcessLog, "error" | "info">;
  readonly #metrics: Pick<MetricsAggregator, "recordCrashLoop">;
  #atMs: number[] = [];
  #isTooOften = false;

  constructor(log: Pick<ProcessLog, "error" | "info">, metrics: Pick<MetricsAggregator, "recordCrashLoop">) {
    this.#log = log;
    this.#metrics = metrics;
  }

  add(spec: SupervisionSpec, nowMs: number): void {
    this.#atMs.push(nowMs);
    if (this.#atMs.length > MAX_REMEMBERED) this.#atMs.shift();
    this.trouble(spec, nowMs);
  }

  /** Null when crashes are few. To be asked now and then, so that the end of a trouble is noticed. */
  trouble(spec: SupervisionSpec, nowMs: number): string | null {
    const { maxCrashes, crashWindowMs } = spec;
    this.#atMs = this.#atMs.filter((atMs) => nowMs - atMs < crashWindowMs);
    const count = this.#atMs.length;
    const isTooOften = maxCrashes > 0 && count >= maxCrashes;
    if (isTooOften !== this.#isTooOften) this.#report(isTooOften, count, spec);
    return isTooOften ? `${count} workers crashed within ${crashWindowMs / 1000} s` : null;
  }

  #report(isTooOften: boolean, count: number, { crashWindowMs }: SupervisionSpec): void {
    this.#isTooOften = isTooOften;
    this.#metrics.recordCrashLoop(isTooOften);
    if (isTooOften) this.#log.error({ crashes: count, windowMs: crashWindowMs }, "workers crash too often: not ready");
    else this.#log.info("workers have stopped crashing: ready again");
  }
}
