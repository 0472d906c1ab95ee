/**
 * The data plane of one worker: builds its adapters once, swaps runtimes as snapshots arrive, and drains on request.
 * It never reads files, resolves names or waits for the primary, except for leases and keys that it does not hold.
 */
import { createTokenVerifiers } from "../filters/jwt/token-verifiers.js";
import type { LeaseGrant } from "../limits/lease.js";
import { createLeaseClient } from "../limits/lease-client.js";
import { loadUws } from "../listeners/uws/addon.js";
import { createUwsListener, type UwsListener } from "../listeners/uws/listener.js";
import { createAcceptor } from "../proxy/acceptor.js";
import type { Gateway } from "../proxy/exchange.js";
import type { Runtime } from "../proxy/runtime.js";
import { createTimerWheel } from "../proxy/timer-wheel.js";
import { createAccessLog } from "../telemetry/access-log.js";
import { combineObservers } from "../telemetry/combine-observers.js";
import { createProcessLog } from "../telemetry/process-log.js";
import { createWorkerMetrics } from "../telemetry/worker-metrics.js";
import { createHttp1Connector } from "../upstream/http1-connector.js";
import type { Channel, PrimaryMessage, WorkerMessage } from "./protocol.js";
import { Questions } from "./questions.js";
import { createRuntimeBuilder } from "./runtime-builder.js";
import { createWorkerKeys } from "./worker-keys.js";

export type WorkerChannel = Channel<WorkerMessage, PrimaryMessage>;
type StartMessage = Extract<PrimaryMessage, { type: "start" }>;

const EXIT_OK = 0;
const EXIT_UNAVAILABLE = 69;
const LEASE_TIMEOUT_MS = 1_000;
/** A crash loses at most the counts of this time. */
const METRICS_PUSH_MS = 5_000;
const DRAIN_POLL_MS = 20;

interface DataPlane {
  /** Binds every listener; the error says which could not. */
  listen(): Promise<void>;
  receive(message: PrimaryMessage): void;
  /** Stops accepting, lets what is under way finish for at most this long, then closes everything. */
  drain(timeoutMs: number): Promise<void>;
}

/** @param ended called once, when the worker has drained or cannot serve */
export function startWorker(channel: WorkerChannel, ended: (exitCode: number) => void): void {
  let plane: DataPlane | null = null;
  let drainTimeoutMs = 0;
  let isEnding = false;
  const end = (timeoutMs: number): void => {
    if (isEnding) return;
    isEnding = true;
    void (plane === null ? Promise.resolve() : plane.drain(timeoutMs)).then(() => ended(EXIT_OK));
  };
  const fail = (error: Error): void => {
    channel.send({ type: "failed", message: error.message });
    isEnding = true;
    ended(EXIT_UNAVAILABLE);
  };
  const start = (message: StartMessage): void => {
    drainTimeoutMs = message.snapshot.drain.timeoutMs;
    try {
      plane = createDataPlane(channel, message);
      plane.listen().catch(fail);
    } catch (error) {
      fail(error as Error);
    }
  };
  channel.onMessage((message) => {
    if (message.type === "start") start(message);
    else if (message.type === "drain") end(message.timeoutMs);
    else plane?.receive(message);
  });
  // Without its primary a worker gets no limits, keys or configuration any more: it finishes what it has and leaves.
  channel.onClose(() => end(drainTimeoutMs));
  channel.send({ type: "hello" });
}

function createDataPlane(channel: WorkerChannel, start: StartMessage): DataPlane {
  const { snapshot, workerId } = start;
  const log = createProcessLog(`worker-${workerId}`);
  const timers = createTimerWheel();
  const connector = createHttp1Connector({ timers });
  const leases = new Questions<LeaseGrant | null>(LEASE_TIMEOUT_MS);
  const keys = createWorkerKeys((message) => channel.send(message));
  for (const keySet of start.keys) keys.receive(keySet);
  const metrics = createWorkerMetrics(workerId);
  const accessLog = createAccessLog(snapshot.telemetry.accessLog, { onProblem: (error) => log.warn({ err: error }, "access log") });
  for (const reading of accessLog.readings) metrics.addReading(reading);

  let dryRunRefusals = 0;
  metrics.addReading({
    name: "windrose_rate_limit_dry_run_refusals_total",
    help: "Requests that a rate limit with dryRun would have refused.",
    type: "counter",
    read: () => dryRunRefusals,
  });
  const warn = (message: string): void => log.warn(message);
  const builder = createRuntimeBuilder({
    tokens: createTokenVerifiers({ keys, now: Date.now, warn }),
    limits: createLeaseClient((request) => leases.ask((id) => channel.send({ type: "lease", id, request })).then(granted), {
      now: Date.now,
      maxKeys: snapshot.limits.maxKeys,
      workers: snapshot.workers,
      warn,
    }),
    onDryRunLimited: () => dryRunRefusals++,
  });
  const source: { current: Runtime } = { current: builder.build(snapshot) };
  const onBug = (error: unknown): void => log.error({ err: error }, "bug: an exchange was answered with 500");
  const gateway: Gateway = {
    connector,
    timers,
    observer: snapshot.telemetry.accessLog.path === "off" ? metrics.observer : combineObservers(metrics.observer, accessLog.observer),
    onBug,
    active: 0,
    isDraining: false,
  };
  // The addon takes one limit for the whole process; each listener's own is enforced by its gate.
  loadUws(Math.max(...snapshot.listeners.map((spec) => spec.limits.maxHeaderBytes)));
  const listeners = new Map<string, UwsListener>(
    snapshot.listeners.map((spec) => {
      const bind = { host: spec.bind.host, port: start.ports[spec.name] ?? spec.bind.port };
      const acceptor = createAcceptor(spec.name, source, gateway, start.instance);
      return [spec.name, createUwsListener({ ...spec, bind }, acceptor, timers, { onBug })];
    }),
  );
  const push = setInterval(() => channel.send({ type: "metrics", id: 0, metrics: metrics.snapshot() }), METRICS_PUSH_MS);

  return {
    async listen() {
      const ports: Record<string, number> = {};
      for (const [name, listener] of listeners) ports[name] = (await listener.listen()).port;
      channel.send({ type: "ready", ports });
      channel.send({ type: "ack", version: snapshot.version });
    },
    receive(message) {
      switch (message.type) {
        case "snapshot":
          source.current = builder.build(message.snapshot);
          return channel.send({ type: "ack", version: message.snapshot.version });
        case "keys":
          return keys.receive(message);
        case "leaseReply":
          return leases.answer(message.id, message.grant);
        case "refreshReply":
          return keys.answer(message.id);
        case "collect":
          return channel.send({ type: "metrics", id: message.id, metrics: metrics.snapshot() });
        default:
          return;
      }
    },
    async drain(timeoutMs) {
      gateway.isDraining = true;
      for (const listener of listeners.values()) listener.stopAccepting();
      await idle(gateway, [...listeners.values()], timeoutMs);
      clearInterval(push);
      channel.send({ type: "metrics", id: 0, metrics: metrics.snapshot() });
      for (const listener of listeners.values()) listener.close();
      connector.close();
      timers.stop();
      await accessLog.close();
    },
  };
}

function granted(grant: LeaseGrant | null): LeaseGrant {
  if (grant === null) throw new Error("the rate-limit store failed");
  return grant;
}

/** How long clients may take to read the end of their answers, or to close idle connections, once nothing is under way. */
const LINGER_MS = 1_000;

/** Resolves when no exchange is under way and clients have left or had a moment for it, or after the time given. */
function idle(gateway: Gateway, listeners: readonly UwsListener[], timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let idleSince = 0;
  const isIdle = (): boolean => {
    if (gateway.active > 0) idleSince = performance.now();
    return gateway.active === 0 && (listeners.every((listener) => listener.connections === 0) || performance.now() - idleSince > LINGER_MS);
  };
  return new Promise((resolve) => {
    const poll = (): void => {
      if (isIdle() || performance.now() >= deadline) resolve();
      else setTimeout(poll, DRAIN_POLL_MS);
    };
    poll();
  });
}
