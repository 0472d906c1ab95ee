/** What a request to the registry asks for, and whether its sender may: read strictly, because anything may come. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { RegistryTokenSpec } from "../engine/model/registry.js";
import { isName } from "./registration.js";

export interface RegistryAnswer {
  readonly status: number;
  /** JSON, or the bytes of it; null: no body. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Call {
  readonly method: string;
  /** "" for all. */
  readonly service: string;
  readonly id: string;
  readonly action: string;
  readonly query: URLSearchParams;
}

const PATH = /^\/v1\/services(?:\/([^/]+)(?:\/(instances|history)(?:\/([^/]+)(?:\/(heartbeat|drain|restore))?)?)?)?$/;

export function readCall(request: IncomingMessage): Call | RegistryAnswer {
  const [path = "", query = ""] = (request.url ?? "").split("?", 2);
  const parts = PATH.exec(path);
  if (parts === null) return refuse(404, "there is no such path");
  const [, service = "", kind = "", id = "", action = ""] = parts;
  if ((service !== "" && !isName(service)) || (id !== "" && !isName(id)) || (kind === "history" && id !== "")) {
    return refuse(404, "names are at most 63 letters, digits, dots, underscores and dashes, and begin with a letter or digit");
  }
  const allowed = id === "" ? ["GET"] : action === "" ? ["PUT", "DELETE"] : ["POST"];
  const method = request.method ?? "";
  if (!allowed.includes(method)) return refuse(405, "the method is not allowed here", { allow: allowed.join(", ") });
  return { method, service, id, action: id === "" ? kind : action, query: new URLSearchParams(query) };
}

/** Which services the sender may see and change, or why none. */
export type Permission = { readonly mayUse: (service: string) => boolean; readonly holder: string } | RegistryAnswer;

/** Pages of a browser have no business here, whatever name they resolve to this machine; Host is one of an address or of localhost. */
export function judge({ headers }: IncomingMessage, { service }: Call, tokens: readonly RegistryTokenSpec[]): Permission {
  if (headers.origin !== undefined || headers["sec-fetch-site"] !== undefined) return refuse(403, "requests of web pages are refused");
  if (tokens.length === 0) {
    const isHere = /^(localhost|[\d.]+|\[[\da-f:.]+\])(:\d+)?$/i.test(headers.host ?? "");
    return isHere ? { mayUse: () => true, holder: "" } : refuse(421, "Host does not name this machine");
  }
  const presented = /^Bearer ([\x21-\x7e]{1,1024})$/i.exec(headers.authorization ?? "")?.[1];
  const holder = presented === undefined ? undefined : holderOf(presented, tokens);
  if (holder === undefined) return refuse(401, "a Bearer token is required", { "www-authenticate": 'Bearer realm="windrose registry"' });
  const mayUse = (name: string): boolean => holder.services.includes("*") || holder.services.includes(name);
  return service === "" || mayUse(service) ? { mayUse, holder: holder.name } : refuse(403, `"${holder.name}" may not use this service`);
}

/** Digests are compared, all of them: neither length nor content nor place shows in the time it takes. */
function holderOf(presented: string, tokens: readonly RegistryTokenSpec[]): RegistryTokenSpec | undefined {
  const digest = createHash("sha256").update(presented).digest();
  return tokens.filter((spec) => timingSafeEqual(digestOf(spec), digest))[0];
}

/** A token comes with every heartbeat; its digest goes when its configuration does. */
const DIGESTS = new WeakMap<RegistryTokenSpec, Buffer>();

function digestOf(spec: RegistryTokenSpec): Buffer {
  const known = DIGESTS.get(spec) ?? createHash("sha256").update(spec.token).digest();
  DIGESTS.set(spec, known);
  return known;
}

export function refuse(status: number, title: string, headers: Readonly<Record<string, string>> = {}): RegistryAnswer {
  return { status, body: { title, status }, headers: { ...headers, "content-type": "application/problem+json" } };
}
