/** Services of Kubernetes → the watches that they share: one for up to a hundred services of a namespace. */
import type { KubernetesSourceSpec } from "../../engine/model/endpoint-source.js";
import type { Source, SourceSink } from "../source.js";
import { accessCluster, type ClusterSpec, type ClusterSurroundings } from "./cluster-access.js";
import { type Member, RHYTHM, type Rhythm, SharedWatch } from "./shared-watch.js";

export interface KubernetesWatches {
  createSource(spec: KubernetesSourceSpec, sink: SourceSink): Source;
}

/** They are named in the URL: some servers between take no more than 8 KiB. */
const MAX_SERVICES = 100;

export function createKubernetesWatches(surroundings: ClusterSurroundings, rhythm: Rhythm = RHYTHM): KubernetesWatches {
  const watches = new Map<string, SharedWatch[]>();

  function watchFor(spec: ClusterSpec, service: string): SharedWatch {
    const key = keyOf(spec);
    const shared = watches.get(key) ?? [];
    watches.set(key, shared);
    const known = shared.find(({ services }) => services.has(service)) ?? shared.find(({ services }) => services.size < MAX_SERVICES);
    if (known !== undefined) return known;
    const watch = new SharedWatch(() => accessCluster(spec, surroundings), rhythm);
    shared.push(watch);
    return watch;
  }

  function forget(spec: ClusterSpec, watch: SharedWatch): void {
    const key = keyOf(spec);
    const rest = (watches.get(key) ?? []).filter((other) => other !== watch);
    if (rest.length === 0) watches.delete(key);
    else watches.set(key, rest);
  }

  return {
    createSource(spec, sink) {
      const { service, port, minimumEndpoints } = spec;
      const member: Member = { service, port, minimumEndpoints, sink };
      let watch: SharedWatch | null = null;
      return {
        start() {
          watch = watchFor(spec, service);
          watch.join(member);
        },
        stop() {
          if (watch?.leave(member) === false) forget(spec, watch);
          watch = null;
        },
      };
    },
  };
}

/** Secret. */
function keyOf({ servers, namespace, token, tokenFile }: ClusterSpec): string {
  return JSON.stringify([servers, namespace, token, tokenFile]);
}
