/** A Redis server of the document, with what its URL says. */
import type { RedisSpec } from "../engine/model/registry.js";
import { compileSourceServers } from "./compile-source-server.js";
import type { Materials } from "./materials.js";
import type { DocumentPath } from "./problems.js";
import { parseRedisUrl } from "./schema/redis.js";
import type { ServerTls } from "./schema/source-server.js";

/** @param at of the block that holds `url` */
export function compileRedis(
  { prefix, tls }: { readonly prefix: string; readonly tls?: ServerTls | undefined },
  at: DocumentPath,
  materials: Materials,
): RedisSpec {
  const parsed = parseRedisUrl(materials.text([...at, "url"]));
  // The checks have refused it.
  if (typeof parsed === "string") throw new Error(`redis.url ${parsed}`);
  const { isSecure, ...place } = parsed;
  return { ...place, prefix, tls: isSecure ? compileSourceServers({ urls: [], tls }, at, materials).tls : null };
}
