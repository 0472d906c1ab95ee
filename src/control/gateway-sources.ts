/** The sources of a running gateway: gives those of discovery/ what they need of this machine, and counts for each of them. */
import { parseEndpointList } from "../config/index.js";
import { createSource, type RegistryPort } from "../discovery/create-source.js";
import { createKubernetesWatches } from "../discovery/kubernetes/kubernetes-watches.js";
import { createSources, type EndpointUpdate, type Sources } from "../discovery/sources.js";
import type { ServiceSpec } from "../engine/model/snapshot.js";
import type { MetricsAggregator } from "../telemetry/metrics-aggregator.js";
import type { ProcessLog } from "../telemetry/process-log.js";
import { watchFiles } from "./configuration/file-watch.js";
import type { EndpointMemory } from "./endpoint-memory.js";

export interface GatewaySourcesOptions {
  readonly onUpdate: (update: EndpointUpdate) => void;
  readonly registry: RegistryPort;
  readonly memory: EndpointMemory;
  readonly metrics: MetricsAggregator;
  readonly log: ProcessLog;
}

export function createGatewaySources(
  services: readonly ServiceSpec[],
  { onUpdate, registry, memory, metrics, log }: GatewaySourcesOptions,
): Sources {
  const kubernetes = createKubernetesWatches({
    env: process.env,
    serviceAccountDirectory: "/var/run/secrets/kubernetes.io/serviceaccount",
  });
  const ports = { files: { parse: parseEndpointList, watch: watchFile }, registry, kubernetes };
  const sources: Sources = createSources(services, {
    remembered: memory.load(),
    createSource: (spec, sink) => createSource(spec, sink, ports),
    onUpdate(update) {
      onUpdate(update);
      memory.changed(() => sources.remember());
    },
    log: (message) => log.warn(message),
  });
  metrics.readSources(() => sources.state());
  return sources;
}

function watchFile(path: string, onChange: () => void): { stop(): void } {
  const watch = watchFiles({ onChange });
  void watch.follow([path]).then(onChange);
  return watch;
}
