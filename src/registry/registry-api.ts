/** The registry over HTTP, as docs/registry.md states it: one function from a request to an answer, long polls included. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { RegistryTokenSpec } from "../engine/model/registry.js";
import { parseDuration } from "../engine/model/units.js";
import type { Instance } from "./instance.js";
import { isName, readRegistration } from "./registration.js";
import type { Registry } from "./registry.js";

export interface RegistryAnswer {
  readonly status: number;
  /** JSON; null: no body. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RegistryApiOptions {
  readonly registry: Registry;
  /** Of the moment. Empty: whoever reaches the registry may use it. */
  readonly tokens: () => readonly RegistryTokenSpec[];
  readonly now: () => number;
}

export type RegistryApi = (request: IncomingMessage, stop: AbortSignal) => Promise<RegistryAnswer>;

const MAX_BODY_BYTES = 16 * 1024;
const MAX_WAIT_MS = 60_000;
/** Polls that wait; more of them would be a leak somewhere. */
const MAX_WAITING = 1_000;

const PATH = /^\/v1\/services(?:\/([^/]+)(?:\/(instances|history)(?:\/([^/]+)(?:\/(heartbeat|drain|restore))?)?)?)?$/;

interface Call {
  readonly method: string;
  readonly service: string;
  readonly id: string;
  readonly action: string;
  readonly query: URLSearchParams;
}

export function createRegistryApi({ registry, tokens, now }: RegistryApiOptions): RegistryApi {
  let waiting = 0;

  async function list({ service, query }: Call, stop: AbortSignal): Promise<RegistryAnswer> {
    const index = Number(query.get("index") ?? -1);
    const waitMs = Math.min(parseDuration(query.get("wait") ?? "30s") ?? Number.NaN, MAX_WAIT_MS);
    if (!Number.isInteger(index) || Number.isNaN(waitMs)) return refuse(400, "index must be a whole number, wait a duration such as 30s");
    if (index >= 0 && registry.instancesOf(service).index === index) {
      if (waiting >= MAX_WAITING) return refuse(503, "too many polls wait already", { "retry-after": "5" });
      waiting++;
      await untilChange(registry, service, { waitMs, stop }).finally(() => waiting--);
    }
    const found = registry.instancesOf(service);
    return { status: 200, body: { index: found.index, instances: found.instances.map(describe) } };
  }

  async function put({ service, id }: Call, request: IncomingMessage): Promise<RegistryAnswer> {
    const body = await readBody(request);
    if (typeof body !== "string") return body;
    const read = readRegistration(parseJson(body));
    if (!read.ok) return refuse(422, read.message);
    const result = registry.register(service, id, read.registration, now());
    if (result === "full") return refuse(507, "the registry is full");
    return { status: result === "created" ? 201 : 200, body: { leaseMs: read.registration.leaseMs } };
  }

  function order({ service, id, action, method }: Call): RegistryAnswer {
    if (method === "DELETE" || action === "drain") return done(registry.drain(service, id, now()));
    if (action === "restore") return done(registry.restore(service, id, now()));
    return done(registry.heartbeat(service, id, now()));
  }

  async function answer(call: Call, request: IncomingMessage, stop: AbortSignal): Promise<RegistryAnswer> {
    if (call.service === "") return { status: 200, body: { services: registry.services() } };
    if (call.id !== "") return call.method === "PUT" ? put(call, request) : order(call);
    return call.action === "history" ? { status: 200, body: { events: registry.historyOf(call.service) } } : list(call, stop);
  }

  return async (request, stop) => {
    const call = readCall(request);
    if (!("method" in call)) return call;
    const refusal = judge(request, call, tokens());
    return refusal ?? (await answer(call, request, stop));
  };
}

function readCall(request: IncomingMessage): Call | RegistryAnswer {
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

/** Pages of a browser have no business here, whatever name they resolve to this machine; Host is one of an address or of localhost. */
function judge({ headers }: IncomingMessage, { service }: Call, tokens: readonly RegistryTokenSpec[]): RegistryAnswer | null {
  if (headers.origin !== undefined || headers["sec-fetch-site"] !== undefined) return refuse(403, "requests of web pages are refused");
  if (tokens.length === 0) {
    return /^(localhost|[\d.]+|\[[\da-f:.]+\])(:\d+)?$/i.test(headers.host ?? "") ? null : refuse(421, "Host does not name this machine");
  }
  const presented = /^Bearer ([\x21-\x7e]{1,1024})$/i.exec(headers.authorization ?? "")?.[1];
  const holder = tokens.filter(({ token }) => presented !== undefined && isEqual(token, presented))[0];
  if (holder === undefined) return refuse(401, "a Bearer token is required", { "www-authenticate": 'Bearer realm="windrose registry"' });
  const mayUse = holder.services.includes("*") || service === "" || holder.services.includes(service);
  return mayUse ? null : refuse(403, `"${holder.name}" may not use this service`);
}

/** Digests are compared: neither length nor content shows in the time it takes. */
function isEqual(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

function untilChange(registry: Registry, service: string, { waitMs, stop }: { waitMs: number; stop: AbortSignal }): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stop.removeEventListener("abort", end);
      forget();
      resolve();
    };
    const timer = setTimeout(end, waitMs);
    const forget = registry.onChange(service, end);
    stop.addEventListener("abort", end);
    if (stop.aborted) end();
  });
}

async function readBody(request: IncomingMessage): Promise<string | RegistryAnswer> {
  if (!/^application\/json\b/i.test(request.headers["content-type"] ?? "")) return refuse(415, "the body must be application/json");
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += (chunk as Buffer).length;
    if (length > MAX_BODY_BYTES) return refuse(413, `at most ${MAX_BODY_BYTES} bytes are read`, { connection: "close" });
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function describe({ registeredAtMs, renewedAtMs, changedAtMs, ...rest }: Instance): unknown {
  const time = (ms: number): string => new Date(ms).toISOString();
  return { ...rest, registeredAt: time(registeredAtMs), renewedAt: time(renewedAtMs), changedAt: time(changedAtMs) };
}

function done(isKnown: boolean): RegistryAnswer {
  return isKnown ? { status: 204, body: null } : refuse(404, "there is no such instance: register it");
}

function refuse(status: number, title: string, headers: Readonly<Record<string, string>> = {}): RegistryAnswer {
  return { status, body: { title, status }, headers: { ...headers, "content-type": "application/problem+json" } };
}
