/** Instances of a registry → the endpoints of a service. */
import type { Source, SourceSink } from "../discovery/source.js";
import type { EndpointSpec } from "../engine/model/snapshot.js";
import type { Instance } from "../registry/instance.js";
import type { InstanceTable } from "../registry/instance-table.js";
import { splitAddress } from "../registry/registration.js";
import type { Registry } from "../registry/registry.js";

export interface RegistrySource extends Source {
  /** What there is now, and how the registry is. */
  push(): void;
}

export interface RegistrySourceOptions {
  readonly service: string;
  readonly sink: SourceSink;
  readonly table: InstanceTable;
  /** Of the moment. */
  readonly registry: () => Registry;
}

/** Many changes at once are one set; of a large service none more often than a tenth of the time allows. */
const MIN_PAUSE_MS = 10;
const SHARE = 10;

export function createRegistrySource({ service, sink, table, registry }: RegistrySourceOptions): RegistrySource {
  let timer: NodeJS.Timeout | null = null;
  let restUntil = 0;
  let forget = (): void => {};

  function push(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    const begun = performance.now();
    const { isSettled, trouble } = registry();
    sink.found(endpointsOf(table.instancesOf(service).instances, !isSettled), !isSettled, { failure: trouble, note: "" });
    const now = performance.now();
    restUntil = now + SHARE * (now - begun);
  }

  return {
    push,
    start() {
      forget = table.onChange(service, () => {
        timer ??= setTimeout(push, Math.max(MIN_PAUSE_MS, restUntil - performance.now())).unref();
      });
      push();
    },
    stop() {
      if (timer !== null) clearTimeout(timer);
      forget();
    },
  };
}

/**
 * Draining ones take nothing new and stay listed; of two with one address one that is up counts, then the later registration.
 * @param isSettling all are listed, so that those that left are not taken for ones that are still to come back
 */
export function endpointsOf(instances: readonly Instance[], isSettling: boolean): EndpointSpec[] {
  const byAddress = new Map<string, Instance>();
  for (const instance of instances) {
    const other = byAddress.get(instance.address);
    const isListed = isSettling || instance.state === "up" || instance.state === "draining";
    if (isListed && (other === undefined || rank(instance) >= rank(other))) byAddress.set(instance.address, instance);
  }
  return Array.from(byAddress.values(), (instance) => {
    const { address, state, weight, zone, priority } = instance;
    const { host, port } = splitAddress(address) as { host: string; port: number };
    return { host, port, weight: state === "up" ? weight : 0, zone, priority, labels: labelsOf(instance) };
  });
}

/** Subsets choose by labels, so what an instance says of its version and identity is there too. */
function labelsOf({ labels, version, identity }: Instance): Readonly<Record<string, string>> {
  if (version === "" && identity === "") return labels;
  return { ...labels, ...(version === "" ? {} : { version }), ...(identity === "" ? {} : { identity }) };
}

function rank({ state, registeredAtMs }: Instance): number {
  return state === "up" ? Number.MAX_SAFE_INTEGER / 2 + registeredAtMs : registeredAtMs;
}
