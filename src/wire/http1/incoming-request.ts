/** A request head, as the request parser reports it. */

/** RFC 9112 §3.2; `authority` comes with CONNECT and only with it, `asterisk` with OPTIONS only. */
export type TargetForm = "origin" | "absolute" | "authority" | "asterisk";

/**
 * One object per parser: its values hold from `onHead` until the next `start` of the parser. `headers` and `upgrades`
 * belong to the receiver.
 */
export interface IncomingRequest {
  /** Any token of up to 32 chars, in the case in which it came: which methods are served is the listener's business. */
  readonly method: string;
  /** As sent. */
  readonly target: string;
  readonly form: TargetForm;
  /** Of an absolute-form target; "" otherwise: the connection decides. */
  readonly scheme: "" | "http" | "https";
  /**
   * Host and port that the request is for, as sent and checked: the target's if it names them (RFC 9112 §3.2.2), the Host
   * field's otherwise. "" only in HTTP/1.0 without Host.
   */
  readonly authority: string;
  /**
   * Begins with `/` for origin-form and absolute-form; `*` for asterisk-form and for OPTIONS with an absolute-form target
   * without path and query (RFC 9112 §3.2.4); "" for authority-form. Neither decoded nor normalised: `//` and `\` may occur.
   */
  readonly path: string;
  /** Without the question mark; undefined when there is none. */
  readonly query: string | undefined;
  /** 1.2 to 1.9 count as 1.1 (RFC 9110 §2.5). */
  readonly minorVersion: 0 | 1;
  /** `[name, value, …]`, lower-case names, byte-string values; without Host, Expect, framing and hop-by-hop fields. */
  readonly headers: string[];
  /** 0: none; n: exact; -1: chunked. */
  readonly bodyLength: number;
  /** `Content-Length: 0` was there. */
  readonly hasZeroLength: boolean;
  /** `Expect: 100-continue`, and there is a body to come: send 100 before it is read, or a final status without it. */
  readonly expectsContinue: boolean;
  /** `TE: trailers`: the client reads trailers of the response. */
  readonly acceptsTrailers: boolean;
  /**
   * Protocols asked for by Upgrade, in the client's order and in lower case, such as `websocket` or `h2c`; empty unless
   * Connection names Upgrade, and in HTTP/1.0 (RFC 9110 §7.8). Their handshake fields are in `headers`.
   */
  readonly upgrades: readonly string[];
  /**
   * After the response the connection may serve another request. RFC 9112 §9.3 lets only origins (and gateways) keep the
   * connection of an HTTP/1.0 client, not forward proxies.
   */
  readonly canPersist: boolean;
}

/** What the parser writes; everybody else reads it as an IncomingRequest. */
export type ReceivedRequest = { -readonly [Key in keyof IncomingRequest]: IncomingRequest[Key] };

const NO_UPGRADES: readonly string[] = Object.freeze([]);

export function createReceivedRequest(): ReceivedRequest {
  return {
    method: "",
    target: "",
    form: "origin",
    scheme: "",
    authority: "",
    path: "",
    query: undefined,
    minorVersion: 1,
    headers: [],
    bodyLength: 0,
    hasZeroLength: false,
    expectsContinue: false,
    acceptsTrailers: false,
    upgrades: NO_UPGRADES,
    canPersist: false,
  };
}

export function clearRequest(request: ReceivedRequest): void {
  request.method = "";
  request.target = "";
  request.form = "origin";
  request.scheme = "";
  request.authority = "";
  request.path = "";
  request.query = undefined;
  request.minorVersion = 1;
  request.headers = [];
  request.bodyLength = 0;
  request.hasZeroLength = false;
  request.expectsContinue = false;
  request.acceptsTrailers = false;
  request.upgrades = NO_UPGRADES;
  request.canPersist = false;
}
