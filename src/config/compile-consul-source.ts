/** `endpoints.consul` → what the source is told. */
import type { ConsulSourceSpec } from "../engine/model/endpoint-source.js";
import { parseDuration } from "../engine/model/units.js";
import { compileSourceServers } from "./compile-source-server.js";
import type { Materials } from "./materials.js";
import type { DocumentPath } from "./problems.js";
import type { ConsulSource } from "./schema/consul-source.js";

/** @param name of the service */
export function compileConsulSource(name: string, written: ConsulSource, at: DocumentPath, materials: Materials): ConsulSourceSpec {
  const {
    service = name,
    datacenters,
    tags,
    filter = "",
    namespace = "",
    partition = "",
    zoneKey,
    consistency,
    minimumEndpoints,
  } = written;
  return {
    type: "consul",
    ...compileSourceServers(written, at, materials),
    ...{ service, datacenters, tags, filter, namespace, partition, zoneKey, consistency, minimumEndpoints },
    isPassingOnly: written.onlyPassing,
    token: materials.text([...at, "token"]),
    waitMs: parseDuration(written.wait) as number,
    timeoutMs: parseDuration(written.timeout) as number,
  };
}
