/** Kind of source → the source. What they need from outside this folder comes in as ports. */
import type { DynamicSourceSpec } from "../engine/model/endpoint-source.js";
import { createConsulSource } from "./consul/consul-source.js";
import { createDnsSource } from "./dns-source.js";
import { createEtcdSource } from "./etcd/etcd-source.js";
import { createFileSource, type FilePorts } from "./file-source.js";
import type { KubernetesWatches } from "./kubernetes/kubernetes-watches.js";
import { createNacosSource } from "./nacos/nacos-source.js";
import type { Source, SourceSink } from "./source.js";
import { createZooKeeperSource } from "./zookeeper/zookeeper-source.js";

export interface SourcePorts {
  readonly files: FilePorts;
  /** This gateway's own. */
  readonly registry: RegistryPort;
  readonly kubernetes: KubernetesWatches;
}

export interface RegistryPort {
  createSource(service: string, sink: SourceSink): Source;
}

export function createSource(spec: DynamicSourceSpec, sink: SourceSink, ports: SourcePorts): Source {
  switch (spec.type) {
    case "file":
      return createFileSource(spec, sink, ports.files);
    case "dns":
      return createDnsSource(spec, sink);
    case "registry":
      return ports.registry.createSource(spec.service, sink);
    case "consul":
      return createConsulSource(spec, sink);
    case "nacos":
      return createNacosSource(spec, sink);
    case "etcd":
      return createEtcdSource(spec, sink);
    case "zookeeper":
      return createZooKeeperSource(spec, sink);
    case "kubernetes":
      return ports.kubernetes.createSource(spec, sink);
  }
}
