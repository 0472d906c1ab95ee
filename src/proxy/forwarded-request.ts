/**
 * Rebuilds the request's header list for the way up, in one pass: hop-by-hop and framing fields go (RFC 9110 §7.6.1),
 * strangers' forwarding claims go, ours are added, Via grows by us, a broken trace context goes. Runs before routing,
 * so that no route can be chosen by a header that will not be believed.
 */
import type { HeaderList, RequestHead } from "../engine/model/request.js";
import { EXPLAIN_FIELD } from "./explain-field.js";
import { newRequestId } from "./request-ids.js";
import type { ListenerRuntime } from "./runtime.js";
import { traceIdOf } from "./trace-context.js";
import { clientAddressFrom } from "./trusted-peers.js";

export interface ForwardedRequest {
  headers: HeaderList;
  requestId: string;
  clientAddress: string;
  traceId: string;
  /** What `x-windrose-explain` holds, "" for nothing; it never goes on to a service. */
  explain: string;
  /** This very listener handled the request before (RFC 9110 §7.6.3, RFC 5842 §7.2). */
  isLoop: boolean;
}

const DROP = 1;
const CONNECTION = 2;
const FORWARDED_FOR = 3;
const FORWARDED = 4;
const FORWARDED_PROTO = 5;
const FORWARDED_HOST = 6;
const REQUEST_ID = 7;
const VIA = 8;
const TRACEPARENT = 9;
const EXPLAIN = 10;

/** What happens to a field; names not in here pass untouched. */
const TREATMENT = new Map<string, number>([
  ["host", DROP],
  ["content-length", DROP],
  ["transfer-encoding", DROP],
  ["keep-alive", DROP],
  ["proxy-connection", DROP],
  ["proxy-authorization", DROP],
  ["te", DROP],
  ["trailer", DROP],
  ["upgrade", DROP],
  ["http2-settings", DROP],
  // The handshake of one hop (RFC 6455 §4.1); the subprotocols are offered to the service.
  ["sec-websocket-key", DROP],
  ["sec-websocket-version", DROP],
  ["sec-websocket-extensions", DROP],
  // The listener has answered 100 already.
  ["expect", DROP],
  ["connection", CONNECTION],
  ["x-forwarded-for", FORWARDED_FOR],
  ["x-forwarded-proto", FORWARDED_PROTO],
  ["x-forwarded-host", FORWARDED_HOST],
  ["forwarded", FORWARDED],
  ["x-forwarded-port", FORWARDED],
  ["x-forwarded-server", FORWARDED],
  ["x-forwarded-prefix", FORWARDED],
  ["x-forwarded-uri", FORWARDED],
  ["x-forwarded-client-cert", FORWARDED],
  ["x-real-ip", FORWARDED],
  ["x-request-id", REQUEST_ID],
  ["via", VIA],
  ["traceparent", TRACEPARENT],
  [EXPLAIN_FIELD, EXPLAIN],
]);

/** Connection options that name no field of the message, or whose removal is our own business. */
const PLAIN_CONNECTION_OPTION = /^(?:keep-alive|close|upgrade)?$/i;
const USABLE_REQUEST_ID = /^[\x21-\x7e]{1,128}$/;
const NOTHING_NAMED: ReadonlySet<string> = new Set();

export function prepareRequest(head: RequestHead, listener: ListenerRuntime, via: string): ForwardedRequest {
  const isBelieved = !listener.spec.hardening.dropForwardedHeaders || listener.trustedPeers.has(head.remoteAddress);
  const given = { connection: "", forwardedFor: "", proto: "", host: "", requestId: "", via: "", traceId: "", explain: "" };
  const kept = keepFields(head.headers, given, isBelieved);
  const named = namedByConnection(given.connection);
  const headers = named.size === 0 ? kept : withoutNamed(kept, named);

  const requestId = USABLE_REQUEST_ID.test(given.requestId) ? given.requestId : newRequestId();
  const peer = head.remoteAddress;
  headers.push(
    "x-forwarded-for",
    given.forwardedFor === "" ? peer : `${given.forwardedFor}, ${peer}`,
    "x-forwarded-proto",
    given.proto === "" ? head.scheme : given.proto,
    "x-forwarded-host",
    given.host === "" ? head.authority : given.host,
    "x-request-id",
    requestId,
    "via",
    given.via === "" ? `1.1 ${via}` : `${given.via}, 1.1 ${via}`,
  );
  return {
    headers,
    requestId,
    clientAddress: given.forwardedFor === "" ? peer : clientAddressFrom(given.forwardedFor, peer, listener.trustedPeers),
    traceId: given.traceId,
    explain: given.explain,
    isLoop: given.via !== "" && given.via.includes(via),
  };
}

interface GivenFields {
  connection: string;
  forwardedFor: string;
  proto: string;
  host: string;
  requestId: string;
  via: string;
  traceId: string;
  explain: string;
}

function keepFields(source: readonly string[], given: GivenFields, isBelieved: boolean): HeaderList {
  const kept: HeaderList = [];
  for (let i = 0; i < source.length; i += 2) {
    const name = source[i] as string;
    const value = source[i + 1] as string;
    const treatment = TREATMENT.get(name) ?? treatmentOfOtherSpelling(name);
    if (treatment === undefined) kept.push(name, value);
    else if (treatment !== DROP) treat(treatment, name, value, given, isBelieved, kept);
  }
  return kept;
}

/** Servers of the CGI family read `x_forwarded_for` as `x-forwarded-for`: both spellings are one field. */
function treatmentOfOtherSpelling(name: string): number | undefined {
  if (!name.includes("_")) return undefined;
  const treatment = TREATMENT.get(name.replaceAll("_", "-"));
  return treatment === undefined ? undefined : DROP;
}

function treat(treatment: number, name: string, value: string, given: GivenFields, isBelieved: boolean, kept: HeaderList): void {
  switch (treatment) {
    case CONNECTION:
      given.connection = joined(given.connection, value);
      return;
    case VIA:
      given.via = joined(given.via, value);
      return;
    case TRACEPARENT:
      // The first valid one stays: a second would make the trace ambiguous.
      if (given.traceId !== "") return;
      given.traceId = traceIdOf(value);
      if (given.traceId !== "") kept.push(name, value);
      return;
    case EXPLAIN:
      given.explain = value;
      return;
    default:
      if (isBelieved) believe(treatment, name, value, given, kept);
  }
}

function believe(treatment: number, name: string, value: string, given: GivenFields, kept: HeaderList): void {
  switch (treatment) {
    case FORWARDED_FOR:
      given.forwardedFor = joined(given.forwardedFor, value);
      return;
    case FORWARDED_PROTO:
      given.proto = value;
      return;
    case FORWARDED_HOST:
      given.host = value;
      return;
    case REQUEST_ID:
      given.requestId = value;
      return;
    default:
      kept.push(name, value);
  }
}

function joined(before: string, value: string): string {
  return before === "" ? value : `${before}, ${value}`;
}

/** Lower-case names of the fields that a Connection value declares hop-by-hop. */
function namedByConnection(connection: string): ReadonlySet<string> {
  if (PLAIN_CONNECTION_OPTION.test(connection)) return NOTHING_NAMED;
  const names = new Set<string>();
  for (const option of connection.split(",")) names.add(option.trim().toLowerCase());
  return names;
}

function withoutNamed(headers: readonly string[], named: ReadonlySet<string>): HeaderList {
  const kept: HeaderList = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (!named.has(headers[i] as string)) kept.push(headers[i] as string, headers[i + 1] as string);
  }
  return kept;
}
