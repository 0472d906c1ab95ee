/** `endpoints.zookeeper` → what the source is told. */
import type { ZooKeeperSourceSpec } from "../engine/model/endpoint-source.js";
import { parseDuration } from "../engine/model/units.js";
import type { Materials } from "./materials.js";
import type { DocumentPath } from "./problems.js";
import type { ZooKeeperSource } from "./schema/zookeeper-source.js";

export function compileZooKeeperSource(
  { servers, path, username = "", sessionTimeout, minimumEndpoints }: ZooKeeperSource,
  at: DocumentPath,
  { materials, isTls }: { readonly materials: Materials; readonly isTls: boolean },
): ZooKeeperSourceSpec {
  return {
    type: "zookeeper",
    servers: servers.map((server) => server.toLowerCase()),
    path,
    username,
    password: materials.text([...at, "password"]),
    sessionTimeoutMs: parseDuration(sessionTimeout) as number,
    isTls,
    minimumEndpoints,
  };
}
