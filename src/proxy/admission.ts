/**
 * Whether a listener serves this request at all: its Host and its path, brought into the one form that routing matches
 * and the service receives. Answers for hosts are remembered, since a listener sees few of them.
 */
import type { ErrorCode } from "../engine/model/errors.js";
import type { RequestHead } from "../engine/model/request.js";
import type { ListenerSpec } from "../engine/model/snapshot.js";
import { normaliseHost } from "../engine/routing/normalise-host.js";
import { normalisePath } from "../engine/routing/normalise-path.js";
import type { Reply } from "./ports.js";

export interface Refusal {
  readonly code: ErrorCode;
  readonly detail: string;
}

const BAD_HOST: Refusal = { code: "bad-request", detail: "the Host header is malformed" };
const MISDIRECTED: Refusal = { code: "host-misdirected", detail: "this listener does not serve the requested host" };

/** The target of `OPTIONS *`; listeners let it in with no other method. */
export const SERVER_WIDE = "*";
/** RFC 9110 §9.3.7: what is asked about the gateway as such, a ping of sorts, concerns no route and no service. */
export const SERVER_WIDE_REPLY: Reply = { code: null, status: 200, headers: [], body: "", detail: "", logDetail: "" };

const MAX_REMEMBERED_HOSTS = 1024;
const rememberedHosts = new Map<string, string | null>();

/** Sets `head.host` and `head.path`; null when the request may go on. */
export function admit(head: RequestHead, listener: ListenerSpec): Refusal | null {
  const host = hostOf(head.authority);
  if (host === null) return BAD_HOST;
  head.host = host;
  if (head.path !== SERVER_WIDE) {
    const path = normalisePath(head.path, listener.hardening);
    if (!path.ok) return { code: "bad-request", detail: path.reason };
    head.path = path.path;
  }
  return servesHost(listener, host) ? null : MISDIRECTED;
}

/** @param host normalised */
export function servesHost({ hostnames }: ListenerSpec, host: string): boolean {
  return hostnames.length === 0 || isServed(host, hostnames);
}

function hostOf(authority: string): string | null {
  const known = rememberedHosts.get(authority);
  if (known !== undefined) return known;
  const host = normaliseHost(authority);
  if (rememberedHosts.size >= MAX_REMEMBERED_HOSTS) rememberedHosts.clear();
  rememberedHosts.set(authority, host);
  return host;
}

function isServed(host: string, hostnames: readonly string[]): boolean {
  for (const name of hostnames) {
    if (name === host) return true;
    if (name.startsWith("*.") && host.endsWith(name.slice(1)) && host.length > name.length - 1) return true;
  }
  return false;
}
