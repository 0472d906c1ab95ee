/**
 * Responses, as a server writes them: heads as one latin1 string, which the caller's socket or buffer takes in one write,
 * and chunk framing. Framing and Connection come from the arguments alone, never from the headers.
 */

/** What goes out, and the request it answers. Header values are byte strings: one char per byte. */
export interface OutgoingResponse {
  /** 200–599. */
  readonly status: number;
  /** `[name, value, …]`. Framing and hop-by-hop fields among them are left out. */
  readonly headers: readonly string[];
  /** 0: none; n: exact; -1: unknown. For HEAD, the length a GET would have had. */
  readonly bodyLength: number;
  /** Of the request. */
  readonly method: string;
  /** Of the request. */
  readonly minorVersion: 0 | 1;
  /** The connection serves another request afterwards. Ignored when the body runs until the connection ends. */
  readonly canPersist: boolean;
  /** Sent unless `headers` have one (RFC 9110 §6.6.1); "": none. */
  readonly date: string;
}

/**
 * How the body of a response is sent. `none`: not at all, whatever `bodyLength` says. `length`: as it is. `chunked`: each
 * piece behind its `chunkSizeLine` and before CRLF, `lastChunk` at the end. `until-end`: as it is, then close the connection.
 */
export type BodyFraming = "none" | "length" | "chunked" | "until-end";

/** RFC 9112 §6.3, and §6.1 for HTTP/1.0, which knows no chunks. */
export function bodyFraming(response: OutgoingResponse): BodyFraming {
  throw new Error("to come");
}

/** Null when a part could be read as more than itself or is no final status: the caller has let something unchecked through. */
export function encodeResponseHead(response: OutgoingResponse): string | null {
  throw new Error("to come");
}

/** 1xx except 101, such as 100 and 103; never for HTTP/1.0 clients (RFC 9110 §15.2). Null as above. */
export function encodeInterimHead(status: number, headers: readonly string[]): string | null {
  throw new Error("to come");
}

/** 101 with `Upgrade: protocol` and the handshake fields among `headers`. Null as above. */
export function encodeUpgradeHead(protocol: string, headers: readonly string[]): string | null {
  throw new Error("to come");
}

/** The end of a chunked body. Fields that may not be trailers are left out. Null as above. */
export function encodeLastChunk(trailers: readonly string[] | null): string | null {
  throw new Error("to come");
}
