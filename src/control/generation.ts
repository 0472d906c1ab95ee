/**
 * Workers that were started with the same listeners. Snapshots change in place within a generation; a roll replaces one
 * generation by the next.
 */
import type { ListenerSpec, Snapshot } from "../engine/model/snapshot.js";
import { type AddressRounds, createAddressRounds } from "./address-rounds.js";
import { bindKey, type KnownPorts } from "./bind-key.js";
import { countConnections } from "./socket-table.js";
import type { WorkerHandle } from "./supervisor.js";

export interface Generation {
  snapshot: Snapshot;
  /** Of listeners on our own codecs, by name. */
  handles: ReadonlyMap<string, object>;
  /** Per worker; 0: unlimited. */
  readonly maxSockets: number;
  /** Real ports by listener name; what a listener bound to port 0 was given is known when the first worker serves. */
  ports: Readonly<Record<string, number>>;
  readonly addresses: AddressRounds;
  readonly workerIds: Set<number>;
}

export interface GenerationParts {
  readonly snapshot: Snapshot;
  readonly workerCount: number;
  readonly maxSockets: number;
  readonly knownPorts: KnownPorts;
  readonly workers: () => readonly WorkerHandle[];
  readonly warn: (message: string, error: unknown) => void;
}

export function createGeneration({ snapshot, workerCount, maxSockets, knownPorts, workers, warn }: GenerationParts): Generation {
  const workerIds = new Set<number>();
  const generation: Generation = {
    snapshot,
    handles: new Map(),
    maxSockets,
    ports: portsOf(snapshot.listeners, knownPorts),
    workerIds,
    addresses: createAddressRounds({
      listeners: snapshot.listeners,
      workerCount,
      workers: () => workers().filter(({ id, isDraining }) => workerIds.has(id) && !isDraining),
      ports: () => generation.ports,
      count: countConnections,
      log: warn,
    }),
  };
  return generation;
}

export function knownPortsOf({ snapshot, ports }: Pick<Generation, "snapshot" | "ports">): KnownPorts {
  const known = snapshot.listeners.flatMap((listener) => {
    const port = ports[listener.name];
    return port === undefined ? [] : [[bindKey(listener), port] as const];
  });
  return Object.fromEntries(known);
}

function portsOf(listeners: readonly ListenerSpec[], known: KnownPorts): Record<string, number> {
  const ports = listeners.flatMap((listener) => {
    const port = known[bindKey(listener)];
    return port === undefined ? [] : [[listener.name, port] as const];
  });
  return Object.fromEntries(ports);
}
