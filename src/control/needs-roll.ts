/**
 * What of a change workers cannot take while they run. Everything else they take in place: routes, services, filters, providers,
 * limits of rates, drain, supervision, the number of workers, and of listeners what is read for every request or connection.
 */
import type { ListenerSpec, Snapshot } from "../engine/model/snapshot.js";

/** Reasons, one line each; empty: `publish` is enough. */
export function needsRoll(before: Snapshot, after: Snapshot): string[] {
  const reasons = [...listenerReasons(before.listeners, after.listeners), ...accessLogReasons(before, after)];
  if (before.workers !== after.workers && after.listeners.some(({ limits }) => limits.maxConnectionsPerAddress > 0)) {
    reasons.push("workers: maxConnectionsPerAddress is divided among them");
  }
  return reasons;
}

function accessLogReasons({ telemetry: { accessLog: before } }: Snapshot, { telemetry: { accessLog: after } }: Snapshot): string[] {
  return before.path === after.path ? [] : ["telemetry.accessLog.path: workers open the log when they start"];
}

function listenerReasons(before: readonly ListenerSpec[], after: readonly ListenerSpec[]): string[] {
  const former = new Map(before.map((listener) => [listener.name, listener]));
  const largestHead = Math.max(0, ...before.filter(isOnAddon).map(({ limits }) => limits.maxHeaderBytes));
  const reasons = after.flatMap((listener) => {
    const known = former.get(listener.name);
    former.delete(listener.name);
    if (known === undefined) return [`listener "${listener.name}" is new`];
    return fieldReasons(known, listener, largestHead).map((reason) => `listener "${listener.name}": ${reason}`);
  });
  return [...reasons, ...[...former.keys()].map((name) => `listener "${name}" is gone`)];
}

/** @param largestHead of all listeners on uWebSockets.js, which takes one limit for the whole process when it is loaded */
function fieldReasons(before: ListenerSpec, after: ListenerSpec, largestHead: number): string[] {
  const reasons: string[] = [];
  if (before.protocol !== after.protocol) reasons.push("protocol");
  if (before.bind.host !== after.bind.host || before.bind.port !== after.bind.port) reasons.push("bind");
  if (before.limits.maxConnectionsPerAddress !== after.limits.maxConnectionsPerAddress) reasons.push("limits.maxConnectionsPerAddress");
  if (isOnAddon(before) && isOnAddon(after)) reasons.push(...addonReasons(before, after, largestHead));
  return reasons;
}

/** What uWebSockets.js is told when a listener is made. Own codecs (`h2`, `h2c`) take all of this for new connections. */
function addonReasons(before: ListenerSpec, after: ListenerSpec, largestHead: number): string[] {
  const reasons: string[] = [];
  if (JSON.stringify(before.tls) !== JSON.stringify(after.tls)) reasons.push("tls");
  if (after.limits.maxHeaderBytes > largestHead) reasons.push("limits.maxHeaderBytes is larger than that of any listener before");
  if (before.timeouts.connectionAgeMs !== after.timeouts.connectionAgeMs) reasons.push("timeouts.connectionAge");
  const [was, is] = [before.webSocket, after.webSocket];
  if (was.maxMessageBytes !== is.maxMessageBytes) reasons.push("webSocket.maxMessageBytes");
  if (was.idleMs !== is.idleMs) reasons.push("webSocket.idleTimeout");
  if (was.isCompressed !== is.isCompressed) reasons.push("webSocket.compression");
  return reasons;
}

function isOnAddon({ wire }: ListenerSpec): boolean {
  return wire === null;
}
