/**
 * The head of a request as every layer sees it: copied once by a listener, of one fixed shape, never rebuilt.
 * Header values are byte strings (one char per byte, latin1), names are lower case.
 */

/** `[name, value, name, value, …]`, names lower case, wire order and duplicates kept. */
export type HeaderList = string[];

/** What route matching reads; `windrose explain` and tests pass literals of this shape. */
export interface RequestFacts {
  readonly method: string;
  /** Lower case, without port and trailing dot; `[::1]` keeps its brackets. */
  readonly host: string;
  /** Begins with `/`, no query; normalised when the listener normalises (see routing/normalise-path.ts). */
  readonly path: string;
  /** Raw text after `?`; undefined when there was no `?` (`/a` and `/a?` stay distinct). */
  readonly query: string | undefined;
  readonly headers: readonly string[];
}

export class RequestHead implements RequestFacts {
  method: string;
  scheme: "http" | "https";
  /** The Host field as sent, e.g. `API.example.com:8443`; checked by the listener's gate. */
  authority: string;
  host = "";
  path: string;
  query: string | undefined;
  headers: HeaderList;
  /** Body bytes to come: 0 none, n known (Content-Length), -1 unknown (chunked). */
  bodyLength: number;
  /** The request carried `Content-Length: 0`: forwarded so, for the methods where that differs from no field. */
  hasZeroLength: boolean;
  /** A sound request to switch to WebSocket (RFC 6455 §4.2.1); its handshake fields belong to one hop and are not forwarded. */
  isWebSocket: boolean;
  /** `te: trailers`: the client reads trailers of a response (RFC 9110 §6.5.1); gRPC asks for it. */
  acceptsTrailers: boolean;
  /** Textual IP of the TCP peer (or of whom a trusted PROXY header names), IPv4-mapped IPv6 unwrapped. */
  remoteAddress: string;
  /** Who the peer has proved to be with its certificate; null when it was not asked or has none. */
  peer: PeerIdentity | null;

  constructor(method: string, scheme: "http" | "https", authority: string, path: string, query: string | undefined, headers: HeaderList) {
    this.method = method;
    this.scheme = scheme;
    this.authority = authority;
    this.path = path;
    this.query = query;
    this.headers = headers;
    this.bodyLength = 0;
    this.hasZeroLength = false;
    this.isWebSocket = false;
    this.acceptsTrailers = false;
    this.remoteAddress = "";
    this.peer = null;
  }
}

/** From a client certificate that the listener's roots vouch for and that is valid now. */
export interface PeerIdentity {
  /** In the order of the certificate, as `C=DE,O=Example,CN=client`. */
  readonly subject: string;
  /** Subject alternative names, lower case. */
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  /** `spiffe://…` when it is the only URI (X509-SVID §2), else "". */
  readonly spiffeId: string;
  /** SHA-256 of the certificate, `AB:CD:…`. */
  readonly fingerprint: string;
}

/** Who the request is for, from a verified JWT. */
export interface Principal {
  readonly provider: string;
  readonly subject: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** First value of a field, or undefined. `name` must be lower case. */
export function headerValue(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}

/** Removes every occurrence of `name` in place, keeping the order of the rest. */
export function removeHeader(headers: HeaderList, name: string): void {
  let kept = 0;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === name) continue;
    headers[kept] = headers[i] as string;
    headers[kept + 1] = headers[i + 1] as string;
    kept += 2;
  }
  headers.length = kept;
}

/** Replaces every occurrence of `name` by one field at the end. */
export function setHeader(headers: HeaderList, name: string, value: string): void {
  removeHeader(headers, name);
  headers.push(name, value);
}
