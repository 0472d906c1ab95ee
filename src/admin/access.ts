/**
 * Who may do what. A token says who asks and which role that is; without any configured, callers on loopback may read and nobody
 * may write. The Unix socket needs no token: its file belongs to the gateway's user. Two checks keep web pages out: of the Host
 * field, because a page may resolve its own name to 127.0.0.1 (DNS rebinding), and of where a writing request comes from.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { AdminRole, AdminTokenSpec } from "../engine/model/snapshot.js";
import { type Answer, problem } from "./answers.js";

/** `open`: for probes of an orchestrator, which have no token and ask by address. */
export type Access = "open" | AdminRole;

/** How a request came in. */
export type Door = "socket" | "loopback" | "network";

/** Whoever asks. */
export interface Caller {
  /** A token's name, `socket`, or `anonymous`. */
  readonly name: string;
  readonly role: AdminRole;
}

export type Verdict =
  | { readonly ok: true; readonly caller: Caller }
  /** `caller`: null when the token was none of ours, or was not looked at. */
  | { readonly ok: false; readonly answer: Answer; readonly caller: Caller | null };

export interface Knock {
  readonly door: Door;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
}

export type Judge = (knock: Knock, need: Access) => Verdict;

const SOCKET: Caller = { name: "socket", role: "write" };
const ANONYMOUS: Caller = { name: "anonymous", role: "read" };

export function createJudge(tokens: readonly AdminTokenSpec[]): Judge {
  const callerOf = createTokenTable(tokens);
  return (knock, need) => {
    if (need === "open") return { ok: true, caller: ANONYMOUS };
    if (knock.door === "loopback" && !namesLoopback(knock.headers.host)) return refuse(problem(421, "Host does not name this machine"));
    if (isSafe(knock.method) === false && isFromElsewhere(knock.headers))
      return refuse(problem(403, "Requests of other sites are refused"));
    const caller = knock.door === "socket" ? SOCKET : tokens.length === 0 ? ANONYMOUS : callerOf(knock.headers.authorization);
    if (caller === null) return refuse(unauthorized());
    if (need === "write" && caller.role !== "write") return { ok: false, answer: forbidden(caller), caller };
    return { ok: true, caller };
  };
}

function refuse(answer: Answer): Verdict {
  return { ok: false, answer, caller: null };
}

function unauthorized(): Answer {
  return problem(401, "A Bearer token is required", { headers: { "www-authenticate": 'Bearer realm="windrose admin"' } });
}

function forbidden(caller: Caller): Answer {
  const hint = "set admin.token (or a token of role write in admin.tokens), or use the Unix socket of admin.socket";
  if (caller === ANONYMOUS) return problem(403, "No token may write here", { detail: `The gateway has no admin token: ${hint}.` });
  return problem(403, "This token may only read", { detail: `"${caller.name}" has the role read; this takes the role write.` });
}

function isSafe(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

/** Browsers add these fields to requests of pages, and pages cannot leave them out; other programs have no reason to. */
function isFromElsewhere(headers: IncomingHttpHeaders): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") return true;
  return headers.origin !== undefined && headers.origin !== `http://${headers.host}`;
}

/** 127.0.0.0/8, ::1 and localhost: only this machine reaches them. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  return bare === "localhost" || bare === "::1" || /^127(\.\d{1,3}){3}$/.test(bare) || bare.startsWith("::ffff:127.");
}

/** @param hostField the Host field, e.g. `localhost:9901` */
export function namesLoopback(hostField: string | undefined): boolean {
  if (hostField === undefined) return false;
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::\d{1,5})?$/i.exec(hostField);
  return match !== null && isLoopbackHost(match[1] as string);
}

/** Compares digests, with every token: neither the time nor an exception tells how much of a guess was right, or of which. */
export function createTokenTable(tokens: readonly AdminTokenSpec[]): (authorization: string | undefined) => Caller | null {
  const known = tokens.map(({ name, role, token }) => ({ caller: { name, role }, expected: digest(token) }));
  return (authorization) => {
    const given = /^Bearer +([^ ]+) *$/i.exec(authorization ?? "")?.[1];
    if (given === undefined) return null;
    const actual = digest(given);
    return known.filter(({ expected }) => timingSafeEqual(actual, expected))[0]?.caller ?? null;
  };
}

function digest(value: string): Buffer {
  return createHash("sha256").update(value).digest();
}
