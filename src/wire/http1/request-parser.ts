/**
 * Requests, as a server reads them: bytes in at any split, events out, one request at a time. Strict: everything RFC 9112
 * lets a recipient refuse is refused. It stops at the end of each request: whether what follows is the next request, the
 * bytes of a CONNECT tunnel or another protocol after an upgrade is the caller's to decide.
 */
import type { BodyEvents } from "./body-decoder.js";
import type { Latin1Bytes } from "./bytes.js";
import type { IncomingRequest } from "./incoming-request.js";
import type { Http1Limits, Refusal } from "./refusal.js";
import { DEFAULT_HTTP1_LIMITS } from "./refusal.js";

export interface RequestEvents extends BodyEvents {
  /** The head is complete and sound. False: stop here, `feed` returns. */
  onHead(request: IncomingRequest): boolean;
}

export class RequestParser {
  isComplete = false;
  /** Once set, the connection must not be read any further; `statusOf` says what to answer. No further events. */
  refusal: Refusal | null = null;
  /** Valid once complete: null when there were none. */
  trailers: string[] | null = null;

  constructor(_events: RequestEvents, _limits: Http1Limits = DEFAULT_HTTP1_LIMITS) {}

  /** What has been read of the request; after a refusal of a later line or of the body, method and target at least. */
  get request(): IncomingRequest {
    throw new Error("to come");
  }

  /** A byte of the request has come, empty lines before it aside. False: the connection is idle and may be closed silently. */
  get hasBegun(): boolean {
    throw new Error("to come");
  }

  /** Expect a request. To be called before the first one and after each complete one. */
  start(): void {
    throw new Error("to come");
  }

  /**
   * Returns the offset of the first byte not taken: the request ended, was refused, or the receiver said stop. Feed again
   * from there after a stop; after `isComplete`, the bytes from there on are the next request (`start` first), or the
   * rest that belongs to a tunnel or an upgraded protocol.
   */
  feed(_bytes: Latin1Bytes, _start: number, _end: number): number {
    throw new Error("to come");
  }
}
