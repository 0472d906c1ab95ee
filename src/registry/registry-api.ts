/** The registry over HTTP, as docs/registry.md states it: one function from a request to an answer, long polls and event streams included. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { RegistryTokenSpec } from "../engine/model/registry.js";
import { parseDuration } from "../engine/model/units.js";
import type { InstanceTable } from "./instance-table.js";
import { createInstanceViews } from "./instance-views.js";
import { readRegistration } from "./registration.js";
import type { Registry } from "./registry.js";
import { type Call, judge, type RegistryAnswer, readCall, refuse } from "./registry-call.js";
import { createRegistryWatch, type WatchSpec } from "./registry-watch.js";
import { readBody } from "./request-body.js";

export interface RegistryApiOptions {
  readonly table: InstanceTable;
  /** Of the moment. */
  readonly registry: () => Registry;
  /** Of the moment. Empty: whoever reaches the registry may use it. */
  readonly tokens: () => readonly RegistryTokenSpec[];
}

/** Null: it is answered already, or goes on being answered. */
export type RegistryApi = (request: IncomingMessage, response: ServerResponse, stop: AbortSignal) => Promise<RegistryAnswer | null>;

const MAX_WAIT_MS = 60_000;
/** Polls that wait; more of them would be a leak somewhere. */
const MAX_WAITING = 1_000;
const BUSY = { "retry-after": "5" };

export function createRegistryApi({ table, registry, tokens }: RegistryApiOptions): RegistryApi {
  const views = createInstanceViews(table);
  const watch = createRegistryWatch(table, views);
  let waiting = 0;

  async function list({ service, query }: Call, stop: AbortSignal): Promise<RegistryAnswer> {
    const index = query.get("index");
    const waitMs = parseDuration(query.get("wait") ?? "30s");
    if (waitMs === null || (index !== null && !/^\d{1,16}$/.test(index))) {
      return refuse(400, "index must be a whole number, wait a duration such as 30s");
    }
    if (index !== null && table.indexOf(service) === Number(index)) {
      if (waiting >= MAX_WAITING) return refuse(503, "too many polls wait already", BUSY);
      waiting++;
      await untilChange(table, service, { waitMs: Math.min(waitMs, MAX_WAIT_MS), stop }).finally(() => waiting--);
    }
    return { status: 200, body: views.of(service).json };
  }

  async function put({ service, id }: Call, request: IncomingMessage): Promise<RegistryAnswer> {
    const body = await readBody(request);
    if (!("value" in body)) return body;
    const read = readRegistration(body.value);
    if (!read.ok) return refuse(422, read.message);
    const result = await registry().register(service, id, read.registration);
    if (result === "full") return refuse(507, "the registry is full");
    return { status: result === "created" ? 201 : 200, body: { leaseMs: read.registration.leaseMs } };
  }

  async function order({ service, id, action, method }: Call): Promise<RegistryAnswer> {
    if (method === "DELETE" || action === "drain") return done(await registry().drain(service, id));
    if (action === "restore") return done(await registry().restore(service, id));
    return done(registry().heartbeat(service, id));
  }

  return async (request, response, stop) => {
    const call = readCall(request);
    if (!("method" in call)) return call;
    const permission = judge(request, call, tokens());
    if (!("mayUse" in permission)) return permission;
    if (call.id !== "") return call.method === "PUT" ? put(call, request) : order(call);
    if (call.action === "history") return { status: 200, body: { events: table.historyOf(call.service) } };
    if (!wantsEvents(request)) {
      if (call.service === "") return { status: 200, body: { services: table.services().filter(permission.mayUse) } };
      const answer = await list(call, stop);
      const stillPermitted = judge(request, call, tokens());
      return "mayUse" in stillPermitted ? answer : stillPermitted;
    }
    const isOpen = watch.open(response, { service: call.service, knownIndex: lastEvent(request), ...rightsOf(request, call, tokens) });
    stop.addEventListener("abort", () => response.end());
    return isOpen ? null : refuse(503, "too many watch already", BUSY);
  };
}

/** As the tokens of the moment have it: streams outlive changes of the configuration. */
function rightsOf(request: IncomingMessage, call: Call, tokens: RegistryApiOptions["tokens"]): Pick<WatchSpec, "isAllowed" | "mayUse"> {
  let judgedBy: unknown = null;
  let mayUse: ((service: string) => boolean) | null = null;
  const current = () => {
    const now = tokens();
    if (now === judgedBy) return mayUse;
    const permission = judge(request, call, now);
    [judgedBy, mayUse] = [now, "mayUse" in permission ? permission.mayUse : null];
    return mayUse;
  };
  return { isAllowed: () => current() !== null, mayUse: (service) => current()?.(service) ?? false };
}

function wantsEvents({ headers }: IncomingMessage): boolean {
  return /(^|[\s,])text\/event-stream\b/i.test(headers.accept ?? "");
}

function lastEvent({ headers }: IncomingMessage): number | null {
  const last = headers["last-event-id"];
  return typeof last === "string" && /^\d{1,16}$/.test(last) ? Number(last) : null;
}

function untilChange(table: InstanceTable, service: string, { waitMs, stop }: { waitMs: number; stop: AbortSignal }): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stop.removeEventListener("abort", end);
      forget();
      resolve();
    };
    const timer = setTimeout(end, waitMs);
    const forget = table.onChange(service, end);
    stop.addEventListener("abort", end);
    if (stop.aborted) end();
  });
}

function done(isKnown: boolean): RegistryAnswer {
  return isKnown ? { status: 204, body: null } : refuse(404, "there is no such instance: register it");
}
