/**
 * The primary process: owns what exists once (admin, keys, limit store, metrics) and the workers. Starts everything in
 * order, says when it is ready, and on SIGTERM or SIGINT drains and leaves nothing behind.
 */
import { randomBytes } from "node:crypto";
import type { ListenerSpec, Snapshot } from "../engine/model/snapshot.js";
import { createMemoryLimitStore } from "../limits/lease-store.js";
import { createMetricsAggregator } from "../telemetry/metrics-aggregator.js";
import { createProcessLog, type ProcessLog } from "../telemetry/process-log.js";
import { createAdmin } from "./admin-views.js";
import { createAuditLog } from "./audit-log.js";
import { createKeySets, type KeySets } from "./key-sets.js";
import { openFilesWarning, readOpenFileLimit, reservedFiles, socketsWithin } from "./open-files.js";
import { PortUnavailable, probePort } from "./port-probe.js";
import type { KeySetMessage } from "./protocol.js";
import { socketTableProblem } from "./socket-table.js";
import { type StopSignals, watchStopSignals } from "./stop-signals.js";
import { createTicketKeys } from "./ticket-keys.js";
import { unwiredConfiguration } from "./unwired-configuration.js";
import { createWorkerPool, type WorkerFailure, type WorkerPool } from "./worker-pool.js";

export interface GatewayInfo {
  readonly listeners: readonly { readonly name: string; readonly port: number; readonly url: string }[];
  readonly admin: { readonly port: number; readonly url: string };
  readonly workers: number;
}

export interface GatewayOptions {
  /** Primary and worker in this very process; for debugging. */
  readonly isSingle: boolean;
  readonly snapshot: Snapshot;
  /** The configuration as operators may see it, without secrets. */
  readonly redactedDocument: unknown;
  /** Of Windrose. */
  readonly version: string;
  readonly onReady?: (info: GatewayInfo) => void;
}

const EXIT_OK = 0;
const EXIT_FAILURE = 1;
const EXIT_UNAVAILABLE = 69;
/** How long the first worker may wait for keys that have to be fetched; later they arrive by themselves. */
const FIRST_KEYS_WAIT_MS = 2_000;

/** Resolves with the exit code once everything has ended. */
export async function runGateway(options: GatewayOptions): Promise<number> {
  const signals = watchStopSignals();
  try {
    return await runUntilStopped(options, signals);
  } finally {
    signals.unwatch();
  }
}

async function runUntilStopped(options: GatewayOptions, signals: StopSignals): Promise<number> {
  const { snapshot } = options;
  const log = createProcessLog("primary");
  const unlimitable = addressLimitProblem(snapshot);
  if (unlimitable !== null) {
    process.stderr.write(`windrose: ${unlimitable}\n`);
    return EXIT_UNAVAILABLE;
  }
  try {
    await probePorts(snapshot);
  } catch (error) {
    if (!(error instanceof PortUnavailable)) throw error;
    process.stderr.write(`windrose: ${error.message}\n`);
    return EXIT_UNAVAILABLE;
  }
  const gateway = await startGateway(options, log);
  signals.onForce(() => gateway.kill());
  if (gateway.failure !== null) {
    process.stderr.write(`windrose: ${gateway.failure.message}\n`);
    await gateway.stop(0);
    return gateway.failure.isUnavailable ? EXIT_UNAVAILABLE : EXIT_FAILURE;
  }
  options.onReady?.(gateway.info);
  const signal = await signals.first;
  log.info({ signal, timeoutMs: snapshot.drain.timeoutMs }, "draining");
  await gateway.stop(snapshot.drain.timeoutMs);
  log.info("stopped");
  return EXIT_OK;
}

interface RunningGateway {
  readonly info: GatewayInfo;
  /** When the workers could not start. */
  readonly failure: WorkerFailure | null;
  /** Ends the workers at once. */
  kill(): void;
  stop(drainTimeoutMs: number): Promise<void>;
}

async function startGateway(options: GatewayOptions, log: ProcessLog): Promise<RunningGateway> {
  const { snapshot, isSingle, redactedDocument, version } = options;
  const limits = createMemoryLimitStore({ maxKeys: snapshot.limits.maxKeys });
  const metrics = createMetricsAggregator({ version });
  const keys: KeySets = createKeySets(snapshot.jwtProviders, {
    onUpdate: (provider, version, jwks) => pool.broadcast({ type: "keys", provider, version, jwks }),
    log: (message) => log.warn(message),
  });
  const tickets = createTicketKeys((rotated) => pool.broadcast({ type: "ticketKeys", keys: rotated }));
  const pool: WorkerPool = createWorkerPool({
    snapshot,
    isSingle,
    instance: randomBytes(6).toString("hex"),
    maxSockets: (of) => maxSockets(of, isSingle, log),
    ticketKeys: () => tickets.current,
    currentKeys: () => snapshot.jwtProviders.flatMap(({ name }) => keySetMessage(name, keys)),
    services: {
      lease: (request) => limits.lease(request),
      refreshKeys: (provider) => keys.refresh(provider),
      recordMetrics: (workerId, report) => metrics.update(workerId, report),
    },
    metrics,
    log,
  });
  const acceptedAt = new Date().toISOString();
  const first = { version: snapshot.version, sequence: 1, acceptedAt, source: "boot", author: "", note: "", path: "" } as const;
  const configuration = unwiredConfiguration(first);
  const audit = createAuditLog({ directory: null, log });
  const admin = createAdmin({ version, snapshot, redactedDocument, pool, metrics, configuration, audit, log });
  await Promise.race([keys.start(), delay(FIRST_KEYS_WAIT_MS)]);
  const { port: adminPort } = await admin.listen();
  const failure = await pool.start();
  metrics.recordSnapshot(snapshot.version);
  return {
    info: describe(snapshot, pool, adminPort),
    failure,
    kill: () => pool.kill(),
    async stop(drainTimeoutMs) {
      tickets.stop();
      await pool.stop(drainTimeoutMs);
      keys.stop();
      await admin.close();
    },
  };
}

function maxSockets({ listeners }: Snapshot, isSingle: boolean, log: ProcessLog): number {
  const openFiles = readOpenFileLimit();
  const sockets = socketsWithin(openFiles, reservedFiles(listeners, isSingle));
  const warning = openFilesWarning(listeners, openFiles, sockets);
  if (warning !== null) log.warn({ openFiles, maxSockets: sockets }, warning);
  return sockets;
}

/** Null when every listener can keep its limits. */
function addressLimitProblem({ listeners }: Snapshot): string | null {
  const limited = listeners.find(({ limits }) => limits.maxConnectionsPerAddress > 0);
  const problem = limited === undefined ? null : socketTableProblem();
  return problem === null ? null : `listener "${limited?.name}": maxConnectionsPerAddress is not possible here: ${problem}`;
}

function keySetMessage(provider: string, keys: KeySets): KeySetMessage[] {
  const current = keys.current(provider);
  return current === null ? [] : [{ type: "keys", provider, ...current }];
}

async function probePorts(snapshot: Snapshot): Promise<void> {
  for (const { name, bind } of snapshot.listeners) await probePort(bind.host, bind.port, `listener "${name}"`);
  await probePort(snapshot.admin.bind.host, snapshot.admin.bind.port, "admin");
}

function describe(snapshot: Snapshot, pool: WorkerPool, adminPort: number): GatewayInfo {
  const listeners = snapshot.listeners.map((spec) => {
    const port = pool.ports[spec.name] ?? spec.bind.port;
    return { name: spec.name, port, url: listenerUrl(spec, port) };
  });
  const { host } = snapshot.admin.bind;
  return { listeners, admin: { port: adminPort, url: `http://${bracketed(host)}:${adminPort}` }, workers: snapshot.workers };
}

function listenerUrl({ tls, bind }: ListenerSpec, port: number): string {
  return `${tls === null ? "http" : "https"}://${bracketed(bind.host)}:${port}`;
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
