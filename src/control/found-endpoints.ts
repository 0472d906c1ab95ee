/**
 * What a worker has been told of endpoints that are found at run time. Sets are known by service and place, so that one that comes
 * before the snapshot that asks for it waits for that snapshot, and one of a place that is asked no longer harms nobody.
 */
import { placeOfSource } from "../engine/model/endpoint-source.js";
import type { EndpointSpec, ServiceSpec } from "../engine/model/snapshot.js";
import type { EndpointsMessage } from "./protocol.js";

export interface FoundEndpoints {
  /** False: it says nothing new. */
  take(message: EndpointsMessage): boolean;
  /** Of a service as this specification wants them; empty before they have been found. */
  endpointsOf(spec: ServiceSpec): readonly EndpointSpec[];
  /** Forgets what no service of a new snapshot asks for, nor of the one before: the new one may be taken back. */
  retain(services: readonly ServiceSpec[]): void;
}

export function createFoundEndpoints(): FoundEndpoints {
  const sets = new Map<string, EndpointsMessage>();
  let before: ReadonlySet<string> = new Set();
  return {
    take(message) {
      const key = keyOf(message.service, message.place);
      if ((sets.get(key)?.version ?? 0) >= message.version) return false;
      sets.set(key, message);
      return true;
    },
    endpointsOf: ({ name, endpoints }) =>
      endpoints.type === "static" ? endpoints.endpoints : (sets.get(keyOf(name, placeOfSource(endpoints)))?.endpoints ?? NONE),
    retain(services) {
      const wanted = new Set(services.map(({ name, endpoints }) => keyOf(name, placeOfSource(endpoints))));
      for (const key of sets.keys()) if (!wanted.has(key) && !before.has(key)) sets.delete(key);
      before = wanted;
    },
  };
}

const NONE: readonly EndpointSpec[] = [];

function keyOf(service: string, place: string): string {
  return `${service} ${place}`;
}
