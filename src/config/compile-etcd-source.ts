/** `endpoints.etcd` → what the source is told. */
import type { EtcdSourceSpec } from "../engine/model/endpoint-source.js";
import { parseDuration } from "../engine/model/units.js";
import { compileSourceServers } from "./compile-source-server.js";
import type { Materials } from "./materials.js";
import type { DocumentPath } from "./problems.js";
import type { EtcdSource } from "./schema/etcd-source.js";

export function compileEtcdSource(written: EtcdSource, at: DocumentPath, materials: Materials): EtcdSourceSpec {
  const { prefix, username = "", timeout, minimumEndpoints } = written;
  return {
    type: "etcd",
    ...compileSourceServers(written, at, materials),
    prefix,
    username,
    password: materials.text([...at, "password"]),
    timeoutMs: parseDuration(timeout) as number,
    minimumEndpoints,
  };
}
