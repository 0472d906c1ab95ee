/** Between a session and what uses its streams: calls, and the WebSockets that some of them become. */
import type { ErrorCode } from "../engine/model/errors.js";
import type { HeaderList } from "../engine/model/request.js";
import type { Http2ResponseHead } from "../wire/http2/events.js";
import type { Http2Stream } from "../wire/http2/stream.js";
import type { Http2Call } from "./http2-call.js";
import type { SlowClients } from "./slow-clients.js";

/** Has a stream, and is told what happens on it. */
export interface StreamUser {
  /** In the session's list of those that had news in this read. */
  isTouched: boolean;
  /** Reads of its session when it began: with as many at its end, the service has said nothing since. */
  readCountAtStart: number;
  /** A response has begun. */
  readonly hasHead: boolean;
  interim(status: number, headers: HeaderList): void;
  responded(head: Http2ResponseHead, isEnd: boolean): void;
  /** `bytes` are borrowed. */
  received(bytes: Uint8Array, isEnd: boolean): void;
  ended(trailers: HeaderList | null): void;
  /** The stream takes more of what `send` did not. */
  writable(): void;
  readEnded(): void;
  /** The stream or its session is gone. */
  lost(code: ErrorCode, detail: string): void;
}

/** The session, as they see it. */
export interface StreamCarrier {
  readonly slowClients: SlowClients;
  /** How much of `bytes` was taken; `writable` tells when the rest may come. */
  send(stream: Http2Stream, bytes: Uint8Array): number;
  endRequest(stream: Http2Stream, trailers: readonly string[]): void;
  /** All that was given has been moved on. */
  credit(stream: Http2Stream): void;
  /** The user is done: its stream goes, too, if it has not gone. */
  release(user: StreamUser, stream: Http2Stream): void;
  /** Wants `readEnded` when the events of this read have been delivered. */
  touch(user: StreamUser): void;
  /** The service has granted an extended CONNECT: the stream carries a WebSocket from now on. */
  upgrade(call: Http2Call, stream: Http2Stream, headers: HeaderList): void;
}
