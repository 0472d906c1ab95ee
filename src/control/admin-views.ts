/** What the admin server may see, put together from the primary's parts. */
import { type AdminServer, createAdminServer } from "../admin/admin-server.js";
import type { AuditTrail } from "../admin/audit.js";
import type { AdminViews, ConfigurationViews, OverrideViews, ReadinessView, SourceView, WorkerView } from "../admin/views.js";
import type { SourceState } from "../discovery/followed-service.js";
import type { Sources } from "../discovery/sources.js";
import type { AdminSpec } from "../engine/model/snapshot.js";
import type { MetricsAggregator } from "../telemetry/metrics-aggregator.js";
import type { ProcessLog } from "../telemetry/process-log.js";
import type { Served } from "./configuration/live-configuration.js";
import { type KnownOfEndpoints, serviceViews } from "./service-views.js";
import type { WorkerPool } from "./worker-pool.js";

export interface AdminParts {
  readonly version: string;
  readonly spec: AdminSpec;
  /** Of the moment. */
  readonly served: () => Served;
  readonly pool: WorkerPool;
  readonly known: KnownOfEndpoints;
  readonly overrides: OverrideViews;
  readonly sources: Sources;
  readonly metrics: MetricsAggregator;
  readonly configuration: ConfigurationViews;
  readonly audit: AuditTrail;
  readonly log: ProcessLog;
}

export function createAdmin(parts: AdminParts): AdminServer {
  const { version, spec, served, pool, known, overrides, sources, metrics, configuration, audit, log } = parts;
  const startedAt = new Date().toISOString();
  const views: AdminViews = {
    ...configuration,
    ...overrides,
    async metricsText() {
      await pool.collect();
      return await metrics.text();
    },
    health: () => ({ isHealthy: true, reasons: [] }),
    readiness: () => readiness(pool),
    info: () => ({
      version,
      startedAt,
      snapshotVersion: served().version,
      workers: workerViews(pool),
      workerRestarts: pool.restarts,
      listeners: served().snapshot.listeners.map(({ name, direction, protocol, bind }) => ({
        name,
        direction,
        protocol,
        host: bind.host,
        port: pool.ports[name] ?? bind.port,
      })),
    }),
    async services() {
      const { services } = served().snapshot;
      return serviceViews(services, await pool.inspect(services.map(({ name }) => name)), known);
    },
    sources: () => sources.state().map(sourceView),
    snapshotView: () => served().redactedDocument,
  };
  const onError = (error: unknown): void => log.error({ err: error }, "an admin view failed");
  return createAdminServer({ ...spec, version, views, audit, onError });
}

function sourceView({ confirmedAtMs, changedAtMs, nextTryAtMs, ...state }: SourceState): SourceView {
  const ageSeconds = confirmedAtMs === 0 ? null : Math.max(0, Math.round((Date.now() - confirmedAtMs) / 1_000));
  return { ...state, ageSeconds, confirmedAt: timeOf(confirmedAtMs), changedAt: timeOf(changedAtMs), nextTryAt: timeOf(nextTryAtMs) };
}

function timeOf(ms: number): string | null {
  return ms === 0 ? null : new Date(ms).toISOString();
}

function readiness(pool: WorkerPool): ReadinessView {
  const reasons: string[] = [...pool.troubles];
  if (pool.isDraining) reasons.push("draining");
  if (!pool.workers.some((worker) => worker.isReady)) reasons.push("no worker is ready");
  return { isReady: reasons.length === 0, reasons };
}

function workerViews(pool: WorkerPool): WorkerView[] {
  return pool.workers.map(({ id, pid, isReady, isDraining, snapshotVersion }) => {
    const state = pool.isDraining || isDraining ? "draining" : isReady ? "ready" : "starting";
    return { id, pid, state, snapshotVersion };
  });
}
