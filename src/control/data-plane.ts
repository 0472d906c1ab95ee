/**
 * What a worker moves bytes with: builds the adapters once, wires them together, and swaps runtimes as snapshots arrive.
 * It never reads files, resolves names or waits for the primary, except for leases and keys that it does not hold.
 */

import type { Snapshot } from "../engine/model/snapshot.js";
import { createTokenVerifiers } from "../filters/jwt/token-verifiers.js";
import type { FilterPorts } from "../filters/registry.js";
import type { LeaseGrant } from "../limits/lease.js";
import { createLeaseClient } from "../limits/lease-client.js";
import type { Gateway } from "../proxy/gateway.js";
import type { Observer } from "../proxy/ports.js";
import type { Runtime } from "../proxy/runtime.js";
import { createTimerWheel } from "../proxy/timer-wheel.js";
import { type AccessLog, createAccessLog } from "../telemetry/access-log.js";
import { combineObservers } from "../telemetry/combine-observers.js";
import { createProcessLog, type ProcessLog } from "../telemetry/process-log.js";
import { serviceMetrics } from "../telemetry/service-metrics.js";
import { createWorkerMetrics, type Reading, type WorkerMetrics } from "../telemetry/worker-metrics.js";
import { createConnector } from "../upstream/connector.js";
import { createConnectionWarmer } from "./connection-warmer.js";
import { type DrainTime, untilQuiet } from "./drain.js";
import { createExplainGate } from "./explain-tokens.js";
import { createListeners, type GatewayListeners } from "./gateway-listener.js";
import type { PrimaryMessage, StartMessage, WorkerChannel } from "./protocol.js";
import { Questions } from "./questions.js";
import { createRuntimeBuilder, type RuntimeBuilder } from "./runtime-builder.js";
import { createSocketBudget } from "./socket-budget.js";
import { createWorkerAddresses, type WorkerAddresses } from "./worker-addresses.js";
import { createWorkerKeys, type WorkerKeys } from "./worker-keys.js";

export interface DataPlane {
  /** Binds every listener; the error says which could not. */
  listen(): Promise<void>;
  /** Throws when a snapshot cannot be served; what was served before still is. */
  receive(message: PrimaryMessage): void;
  /** Stops accepting, lets what is under way finish for at most this long, then closes everything. */
  drain(time: DrainTime): Promise<void>;
}

const LEASE_TIMEOUT_MS = 1_000;
/** A crash loses at most the counts of this time. */
const METRICS_PUSH_MS = 5_000;
/** A worker takes traffic with warm connections, but not much later for them. */
const WARM_WAIT_MS = 1_000;

export interface DataPlaneSurroundings {
  /** Descriptor of the standard output that the access log may go to. */
  readonly stdoutFd: number;
  /** Listening sockets of the primary, by listener name. */
  readonly handles: ReadonlyMap<string, object>;
}

export function createDataPlane(channel: WorkerChannel, start: StartMessage, { stdoutFd, handles }: DataPlaneSurroundings): DataPlane {
  const log = createProcessLog(`worker-${start.workerId}`);
  const timers = createTimerWheel();
  const sockets = createSocketBudget(start.maxSockets);
  const connector = createConnector({ timers, sockets });
  let served = start.snapshot;
  const { metrics, accessLog, observer } = createTelemetry(start.workerId, () => served, { log, stdoutFd });
  const addresses = createWorkerAddresses(start.addresses, (message) => channel.send(message));
  const keys = createKeys(channel, start);
  const leases = new Questions<LeaseGrant | null>(LEASE_TIMEOUT_MS);
  const builder = createRuntimeBuilder(createFilterPorts({ channel, served: () => served, log, metrics, keys, leases }));
  const warmer = createConnectionWarmer(connector);
  const warm = (): void => warmer.look(builder.services());
  const source: { current: Runtime } = { current: buildFirst(builder, start) };
  const gateway: Gateway = { connector, timers, observer, ...gatewayState(start, log) };
  metrics.addReading(openWebSockets(gateway));
  metrics.addMetrics(() => [...serviceMetrics(builder.readings()), ...warmer.metrics()]);
  const listeners = createListeners({ start, handles, source, gateway, metrics, sockets, addresses, log });
  const open = [...listeners.all.values()];
  const report = (id: number): void => channel.send({ type: "metrics", id, metrics: metrics.snapshot() });
  const push = setInterval(() => report(0), METRICS_PUSH_MS);

  return {
    async listen() {
      warm();
      await warmer.settled(WARM_WAIT_MS);
      channel.send({ type: "ready", ports: await listenAll(listeners) });
      channel.send({ type: "ack", version: start.snapshot.version });
    },
    receive(message) {
      switch (message.type) {
        case "snapshot":
          source.current = takeOver(message.snapshot, builder, listeners);
          served = message.snapshot;
          warm();
          return channel.send({ type: "ack", version: served.version });
        case "collect":
          return report(message.id);
        case "inspect":
          return channel.send({ type: "inspected", id: message.id, endpoints: builder.inspect(message.services, start.workerId) });
        case "yieldAddresses":
          return addresses.yield(message.id);
        default:
          return takeNews(message, { keys, leases, addresses, listeners, builder, warm });
      }
    },
    async drain(time) {
      gateway.isDraining = true;
      await Promise.all(open.map((listener) => listener.stopAccepting()));
      await untilQuiet(gateway, open, time);
      clearInterval(push);
      gateway.isClosing = true;
      for (const listener of open) listener.close();
      report(0);
      warmer.stop();
      connector.close();
      timers.stop();
      await accessLog.close();
    },
  };
}

interface NewsTakers {
  readonly keys: WorkerKeys;
  readonly leases: Questions<LeaseGrant | null>;
  readonly addresses: WorkerAddresses;
  readonly listeners: GatewayListeners;
  readonly builder: RuntimeBuilder;
  /** What is known of endpoints has changed. */
  readonly warm: () => void;
}

/** What needs no answer. */
function takeNews(message: PrimaryMessage, { keys, leases, addresses, listeners, builder, warm }: NewsTakers): void {
  switch (message.type) {
    case "keys":
      return keys.receive(message);
    case "endpoints":
      builder.take(message);
      return warm();
    case "health":
      builder.setHealth(message);
      return warm();
    case "overrides":
      builder.setOverrides(message);
      return warm();
    case "leaseReply":
      return leases.answer(message.id, message.grant);
    case "refreshReply":
      return keys.answer(message.id);
    case "ticketKeys":
      return listeners.setTicketKeys(message.keys);
    case "dealAddresses":
      return addresses.take(message.credits);
    default:
      return;
  }
}

function createKeys(channel: WorkerChannel, start: StartMessage): WorkerKeys {
  const keys = createWorkerKeys((message) => channel.send(message));
  for (const keySet of start.keys) keys.receive(keySet);
  return keys;
}

function buildFirst(builder: RuntimeBuilder, { snapshot, endpoints, health, overrides }: StartMessage): Runtime {
  builder.setOverrides(overrides);
  for (const message of health) builder.setHealth(message);
  for (const message of endpoints) builder.take(message);
  return builder.build(snapshot);
}

async function listenAll({ all }: GatewayListeners): Promise<Record<string, number>> {
  const ports: Record<string, number> = {};
  for (const [name, listener] of all) ports[name] = (await listener.listen()).port;
  return ports;
}

/** Throws when the snapshot cannot be served; nothing has changed then. */
function takeOver(snapshot: Snapshot, builder: RuntimeBuilder, listeners: GatewayListeners): Runtime {
  const runtime = builder.build(snapshot);
  listeners.reload(snapshot.listeners);
  return runtime;
}

function gatewayState({ explainSecret }: StartMessage, log: ProcessLog): Omit<Gateway, "connector" | "timers" | "observer"> {
  const explain = createExplainGate(explainSecret, Date.now);
  const onBug = (error: unknown): void => log.error({ err: error }, "bug: an exchange had to be given up");
  return { explain, onBug, active: 0, webSockets: new Set(), isDraining: false, isClosing: false };
}

function openWebSockets({ webSockets }: Gateway): Reading {
  return { name: "windrose_open_websockets", help: "WebSockets open now.", type: "gauge", read: () => webSockets.size };
}

interface Telemetry {
  readonly metrics: WorkerMetrics;
  readonly accessLog: AccessLog;
  readonly observer: Observer;
}

/** @param served the snapshot of the moment */
function createTelemetry(workerId: number, served: () => Snapshot, { log, stdoutFd }: { log: ProcessLog; stdoutFd: number }): Telemetry {
  const spec = {
    path: served().telemetry.accessLog.path,
    get sample() {
      return served().telemetry.accessLog.sample;
    },
  };
  const metrics = createWorkerMetrics(workerId);
  const accessLog = createAccessLog(spec, { stdoutFd, onProblem: (error) => log.warn({ err: error }, "access log") });
  for (const reading of accessLog.readings) metrics.addReading(reading);
  const observer = spec.path === "off" ? metrics.observer : combineObservers(metrics.observer, accessLog.observer);
  return { metrics, accessLog, observer };
}

interface FilterParts {
  readonly channel: WorkerChannel;
  readonly served: () => Snapshot;
  readonly log: ProcessLog;
  readonly metrics: WorkerMetrics;
  readonly keys: WorkerKeys;
  readonly leases: Questions<LeaseGrant | null>;
}

function createFilterPorts({ channel, served, log, metrics, keys, leases }: FilterParts): FilterPorts {
  const warn = (message: string): void => log.warn(message);
  let dryRunRefusals = 0;
  metrics.addReading({
    name: "windrose_rate_limit_dry_run_refusals_total",
    help: "Requests that a rate limit with dryRun would have refused.",
    type: "counter",
    read: () => dryRunRefusals,
  });
  return {
    tokens: createTokenVerifiers({ keys, now: Date.now, warn }),
    limits: createLeaseClient((request) => leases.ask((id) => channel.send({ type: "lease", id, request })).then(granted), {
      now: Date.now,
      get maxKeys() {
        return served().limits.maxKeys;
      },
      get workers() {
        return served().workers;
      },
      warn,
    }),
    onDryRunLimited: () => dryRunRefusals++,
  };
}

function granted(grant: LeaseGrant | null): LeaseGrant {
  if (grant === null) throw new Error("the rate-limit store failed");
  return grant;
}
