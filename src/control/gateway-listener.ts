/** The listeners of a worker, whatever carries them: what binding, draining and closing need of each. */
import type { ListenerSpec } from "../engine/model/snapshot.js";
import { loadUws } from "../listeners/uws/addon.js";
import { createUwsListener } from "../listeners/uws/listener.js";
import { createWireListener, type ListenHandle, type WireListener } from "../listeners/wire/listener.js";
import { createAcceptor } from "../proxy/acceptor.js";
import type { Gateway } from "../proxy/gateway.js";
import type { Acceptor, ConnectionRefusal, SocketBudget } from "../proxy/ports.js";
import type { RuntimeSource } from "../proxy/runtime.js";
import type { ProcessLog } from "../telemetry/process-log.js";
import type { WorkerMetrics } from "../telemetry/worker-metrics.js";
import { createNoticeLog } from "./notice-log.js";
import type { StartMessage } from "./protocol.js";
import type { WorkerAddresses } from "./worker-addresses.js";

export interface GatewayListener {
  listen(): Promise<{ readonly port: number }>;
  reload(spec: ListenerSpec): void;
  /** Resolves when the socket is closed, and everything that waited in its queue was accepted. */
  stopAccepting(): Promise<void>;
  close(): void;
  readonly connections: number;
  readonly pendingResponses: number;
}

export interface GatewayListeners {
  readonly all: ReadonlyMap<string, GatewayListener>;
  /** New certificates and settings, as far as they can change while they run. Throws when one cannot take them; then none has. */
  reload(specs: readonly ListenerSpec[]): void;
  /** Base64. */
  setTicketKeys(keys: string): void;
}

export interface ListenerParts {
  readonly start: StartMessage;
  readonly handles: ReadonlyMap<string, ListenHandle>;
  readonly source: RuntimeSource;
  readonly gateway: Gateway;
  readonly metrics: WorkerMetrics;
  readonly sockets: SocketBudget;
  readonly addresses: WorkerAddresses;
  readonly log: ProcessLog;
}

export function createListeners(parts: ListenerParts): GatewayListeners {
  const { snapshot } = parts.start;
  const onAddon = snapshot.listeners.filter(({ wire }) => wire === null);
  // The addon takes one limit for the whole process; each listener's own is enforced by its gate.
  if (onAddon.length > 0) loadUws(Math.max(...onAddon.map(({ limits }) => limits.maxHeaderBytes)));
  const wire = new Map<string, WireListener>();
  const all = new Map<string, GatewayListener>();
  for (const spec of snapshot.listeners) {
    if (spec.wire === null) all.set(spec.name, createOnAddon(spec, parts));
    else {
      const listener = createOnWire(spec, parts);
      wire.set(spec.name, listener);
      all.set(spec.name, listener);
    }
  }
  let current = snapshot.listeners;
  return {
    all,
    reload: (specs) => {
      reloadAll(all, specs, current);
      current = specs;
    },
    setTicketKeys: (keys) => {
      for (const listener of wire.values()) listener.setTicketKeys(Buffer.from(keys, "base64"));
    },
  };
}

function createOnAddon(spec: ListenerSpec, parts: ListenerParts): GatewayListener {
  const bind = { host: spec.bind.host, port: parts.start.ports[spec.name] ?? spec.bind.port };
  return createUwsListener({ ...spec, bind }, acceptorOf(spec, parts), parts.gateway.timers, sharedOptions(spec, parts));
}

function createOnWire(spec: ListenerSpec, parts: ListenerParts): WireListener {
  const { start, handles, gateway, log } = parts;
  const write = (message: string, address: string, others: number): void =>
    log.warn({ listener: spec.name, address: address === "" ? undefined : address, others }, message);
  return createWireListener(spec, acceptorOf(spec, parts), gateway.timers, {
    ...sharedOptions(spec, parts),
    isTrusted: trustOf(spec, parts),
    onNotice: createNoticeLog(write, () => performance.now()),
    handle: handles.get(spec.name) ?? null,
    ticketKeys: start.ticketKeys === "" ? null : Buffer.from(start.ticketKeys, "base64"),
  });
}

function acceptorOf({ name }: ListenerSpec, { source, gateway, start }: ListenerParts): Acceptor {
  return createAcceptor(name, source, gateway, start.instance);
}

function sharedOptions(spec: ListenerSpec, parts: ListenerParts) {
  const { gateway, metrics, sockets, addresses } = parts;
  const { onOpen, onClose, onRefuse } = metrics.connections;
  return {
    onBug: gateway.onBug,
    onConnection: (change: number): void => (change > 0 ? onOpen(spec.name) : onClose(spec.name)),
    onRefusal: (reason: ConnectionRefusal): void => onRefuse(spec.name, reason),
    sockets,
    mayEnter: addresses.guardOf(spec.name, trustOf(spec, parts)),
  };
}

/** Of the snapshot of the moment. */
function trustOf({ name }: ListenerSpec, { source }: ListenerParts): (address: string) => boolean {
  return (address) => source.current.listeners.get(name)?.trustedPeers.has(address) === true;
}

/** @param former what is gone back to when one cannot take its new settings */
function reloadAll(listeners: ReadonlyMap<string, GatewayListener>, specs: readonly ListenerSpec[], former: readonly ListenerSpec[]): void {
  try {
    for (const spec of specs) listeners.get(spec.name)?.reload(spec);
  } catch (error) {
    for (const spec of former) listeners.get(spec.name)?.reload(spec);
    throw error;
  }
}
