/** `endpoints.nacos` → what the source is told. */
import type { NacosSourceSpec } from "../engine/model/endpoint-source.js";
import { parseDuration } from "../engine/model/units.js";
import { compileSourceServers } from "./compile-source-server.js";
import type { Materials } from "./materials.js";
import type { DocumentPath } from "./problems.js";
import type { NacosSource } from "./schema/nacos-source.js";

/** @param name of the service */
export function compileNacosSource(name: string, written: NacosSource, at: DocumentPath, materials: Materials): NacosSourceSpec {
  const { api, service = name, group, namespace = "", clusters, zoneKey = "", username = "", minimumEndpoints } = written;
  return {
    type: "nacos",
    ...compileSourceServers(written, at, materials),
    ...{ api, service, group, namespace, clusters, zoneKey, username, minimumEndpoints },
    password: materials.text([...at, "password"]),
    accessToken: materials.text([...at, "accessToken"]),
    minRefreshMs: parseDuration(written.minRefresh) as number,
    maxRefreshMs: parseDuration(written.maxRefresh) as number,
    timeoutMs: parseDuration(written.timeout) as number,
  };
}
