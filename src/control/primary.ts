/**
 * The life of the primary process: looks whether it can serve, starts the gateway, says when it is ready, reads the configuration
 * again on SIGHUP, and on SIGTERM or SIGINT drains and leaves nothing behind.
 */
import { mkdirSync } from "node:fs";
import type { ListenerSpec, Snapshot } from "../engine/model/snapshot.js";
import { createProcessLog, type ProcessLog } from "../telemetry/process-log.js";
import { createAuditLog } from "./audit-log.js";
import type { FirstConfiguration } from "./configuration/configuration-service.js";
import { createGuardFile } from "./configuration/guard-file.js";
import { createEndpointMemory } from "./endpoint-memory.js";
import type { KeeperLink } from "./keeper-client.js";
import { adviseAboutHandshakes } from "./kernel-settings.js";
import { addressLimitProblem } from "./open-files.js";
import { createOverrideFile } from "./overrides/override-file.js";
import { PortUnavailable, probeListeners, probePort } from "./port-probe.js";
import { type RunningGateway, startGateway } from "./running-gateway.js";
import { type StopSignals, watchStopSignals } from "./stop-signals.js";
import { createVersionStore } from "./version-store.js";

export interface GatewayInfo {
  readonly listeners: readonly { readonly name: string; readonly port: number; readonly url: string }[];
  readonly admin: { readonly port: number; readonly url: string };
  /** Null: this gateway takes no registrations. */
  readonly registry: { readonly port: number; readonly url: string } | null;
  readonly workers: number;
}

export interface GatewayOptions {
  /** Primary and worker in this very process; for debugging. */
  readonly isSingle: boolean;
  readonly first: FirstConfiguration;
  /** Where versions and the audit log are kept. Absolute; made when it is missing. */
  readonly stateDirectory: string;
  /** Of Windrose. */
  readonly version: string;
  readonly onReady?: (info: GatewayInfo) => void;
  /** Default: this process stands alone. */
  readonly keeper?: KeeperLink | null;
}

const EXIT_OK = 0;
const EXIT_FAILURE = 1;
const EXIT_UNAVAILABLE = 69;

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
  const { first, isSingle, version, keeper = null } = options;
  const { snapshot } = first;
  const log = createProcessLog("primary");
  const problem = addressLimitProblem(snapshot.listeners) ?? (await portProblem(snapshot, keeper));
  if (problem !== null) return refuse(problem, EXIT_UNAVAILABLE);
  const state = openState(options.stateDirectory, log);
  const gateway = await startGateway({ first, isSingle, version, keeper, log, ...state });
  signals.onForce(() => gateway.pool.kill());
  if (gateway.failure !== null) {
    await gateway.stop(0);
    return refuse(gateway.failure.message, gateway.failure.isUnavailable ? EXIT_UNAVAILABLE : EXIT_FAILURE);
  }
  options.onReady?.(describe(snapshot, gateway));
  const reload = (): void => gateway.reload();
  process.on("SIGHUP", reload);
  const signal = await Promise.race([signals.first, keeper?.retired ?? signals.first]);
  process.off("SIGHUP", reload);
  if (signal === "retired") adviseAboutHandshakes(gateway.served.snapshot.listeners, log);
  else keeper?.tellStopping();
  const { timeoutMs } = gateway.served.snapshot.drain;
  log.info({ signal, timeoutMs }, "draining");
  await gateway.stop(timeoutMs, signal === "retired");
  state.history.close();
  log.info("stopped");
  return EXIT_OK;
}

function refuse(message: string, exitCode: number): number {
  process.stderr.write(`windrose: ${message}\n`);
  return exitCode;
}

/** A disk that cannot be written costs what would be kept there, not the gateway. */
function openState(directory: string, log: ProcessLog) {
  let usable: string | null = directory;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    usable = null;
    log.warn({ err: error, directory }, "there is no state directory: versions and the audit log are kept in memory only");
  }
  return {
    history: createVersionStore({ directory, onNotice: (message) => log.warn({ directory }, message) }),
    audit: createAuditLog({ directory: usable, log }),
    guardFile: createGuardFile(usable, (error) =>
      log.warn({ err: error }, "a guarded apply is not watched on after a crash of this process"),
    ),
    endpointMemory: createEndpointMemory(usable, log),
    overrideFile: createOverrideFile(usable, (message, error) => log.warn({ err: error }, message)),
  };
}

async function portProblem({ listeners, admin }: Snapshot, keeper: KeeperLink | null): Promise<string | null> {
  const predecessor = keeper?.predecessor ?? null;
  try {
    await probeListeners(listeners, predecessor?.ports ?? {});
    if (predecessor === null) await probePort(admin.bind.host, admin.bind.port, "admin");
    return null;
  } catch (error) {
    if (error instanceof PortUnavailable) return error.message;
    throw error;
  }
}

function describe(snapshot: Snapshot, { pool, adminPort, registryPort }: RunningGateway): GatewayInfo {
  const listeners = snapshot.listeners.map((spec) => {
    const port = pool.ports[spec.name] ?? spec.bind.port;
    return { name: spec.name, port, url: listenerUrl(spec, port) };
  });
  const { host } = snapshot.admin.bind;
  const registry = snapshot.registry && { port: registryPort, url: `http://${bracketed(snapshot.registry.bind.host)}:${registryPort}` };
  return { registry, listeners, admin: { port: adminPort, url: `http://${bracketed(host)}:${adminPort}` }, workers: snapshot.workers };
}

function listenerUrl({ tls, bind }: ListenerSpec, port: number): string {
  return `${tls === null ? "http" : "https"}://${bracketed(bind.host)}:${port}`;
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
