/**
 * What a listener makes of a request before the proxy hears of it: the gate in front of uWebSockets.js, or the codec and
 * the rules of our own listeners, which get the bytes that an HTTP/1.1 client would send.
 */
import { type PeerIdentity, RequestHead } from "../../engine/model/request.js";
import type { ListenerSpec, WireSpec } from "../../engine/model/snapshot.js";
import type { HeadPolicy, HeadVerdict } from "../../listeners/head-rules.js";
import { gate } from "../../listeners/uws/gate.js";
import type { Client } from "../../listeners/wire/client.js";
import { codeOf, detailOf } from "../../listeners/wire/refusal-codes.js";
import { judgeHead, refusedHead } from "../../listeners/wire/request-rules.js";
import type { Latin1Bytes } from "../../wire/http1/bytes.js";
import type { IncomingRequest } from "../../wire/http1/incoming-request.js";
import { DEFAULT_HTTP1_LIMITS } from "../../wire/http1/refusal.js";
import { RequestParser } from "../../wire/http1/request-parser.js";
import { schemeOf } from "./choose-listener.js";
import type { DescribedRequest } from "./described-request.js";

export function judgeRequest(listener: ListenerSpec, request: DescribedRequest): HeadVerdict {
  const { limits, hardening } = listener;
  const policy: HeadPolicy = {
    scheme: schemeOf(listener),
    maxBodyBytes: limits.maxBodyBytes,
    maxHeaderBytes: limits.maxHeaderBytes,
    refuseUnderscoreHeaders: hardening.refuseUnderscoreHeaders,
  };
  if (listener.wire !== null) return judgeBytes(listener.wire, policy, request);
  const { method, path, query, authority, headers, address } = request;
  const verdict = gate(method, path, query, ["host", authority, ...headers], policy);
  verdict.head.remoteAddress = address;
  return verdict;
}

function judgeBytes(wire: WireSpec, policy: HeadPolicy, described: DescribedRequest): HeadVerdict {
  const { address, authority, identity } = described;
  // Nothing is known of the name that a TLS client asks for: taken for the host's, so never misdirected.
  const peer = wire.tls?.clientAuth == null ? null : peerOf(identity);
  const client: Client = { address, localAuthority: authority, peer, isMisdirected: () => false };
  let request: IncomingRequest | null = null;
  const onHead = (head: IncomingRequest): boolean => {
    request = head;
    return false;
  };
  const limits = { ...DEFAULT_HTTP1_LIMITS, maxHeadBytes: policy.maxHeaderBytes, maxFields: wire.maxHeaderFields };
  const parser = new RequestParser({ onHead, onBody: () => true }, limits);
  const bytes = requestBytes(described);
  parser.start();
  parser.feed(bytes, 0, bytes.length);
  if (request !== null) return judgeHead(headOf(request, policy), client, policy);
  const refusal = parser.refusal ?? "bad-request-line";
  return refusedHead(headOf(parser.request, policy), client, codeOf(refusal), detailOf(refusal));
}

function headOf(request: IncomingRequest, { scheme }: HeadPolicy): RequestHead {
  const head = new RequestHead(request.method, scheme, request.authority, request.path, request.query, request.headers);
  head.bodyLength = request.bodyLength;
  head.hasZeroLength = request.hasZeroLength;
  head.acceptsTrailers = request.acceptsTrailers;
  return head;
}

/** No part of a described request holds a line break. */
function requestBytes({ method, path, query, authority, headers }: DescribedRequest): Latin1Bytes {
  let text = `${method} ${path}${query === undefined ? "" : `?${query}`} HTTP/1.1\r\nhost: ${authority}\r\n`;
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return Buffer.from(`${text}\r\n`, "utf8") as Uint8Array as Latin1Bytes;
}

/** A SPIFFE ID, another URI or a DNS name. */
function peerOf(identity: string | null): PeerIdentity | null {
  if (identity === null) return null;
  const isUri = identity.includes("://");
  return {
    subject: `CN=${identity}`,
    dnsNames: isUri ? [] : [identity.toLowerCase()],
    uris: isUri ? [identity] : [],
    spiffeId: identity.startsWith("spiffe://") ? identity : "",
    fingerprint: "",
  };
}
