/**
 * An HTTP/2 connection (RFC 9113) of either role: bytes in, events out; calls in, bytes out. It only holds its parts together:
 * what frames mean is in `frame-receiver.ts`, what is sent in `sender.ts`.
 */
import { ConnectionState } from "./connection-state.js";
import { NO_ERROR, PROTOCOL_ERROR } from "./error-codes.js";
import type { Http2Events, Http2RequestHead, Http2ResponseHead } from "./events.js";
import { FrameReader } from "./frame-reader.js";
import { FrameReceiver, PING_PAYLOAD } from "./frame-receiver.js";
import { MAX_WINDOW } from "./frame-types.js";
import type { Http2Limits } from "./limits.js";
import { releasePiece } from "./output-buffer.js";
import type { PeerSettings } from "./peer-settings.js";
import { ownSettings } from "./peer-settings.js";
import type { Http2Refusal } from "./refusal.js";
import { Sender } from "./sender.js";
import type { Http2Stream } from "./stream.js";

export type Http2Role = "server" | "client";

/** RFC 9113 §3.4. Also what tells an h2c client with prior knowledge from HTTP/1. */
export const CLIENT_PREFACE = Uint8Array.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (char) => char.charCodeAt(0));

export class Http2Connection {
  readonly #state: ConnectionState;
  readonly #receiver: FrameReceiver;
  readonly #reader: FrameReader;
  readonly #sender: Sender;
  /** Bytes of the client's preface that have come. */
  #prefaceBytes: number;

  /** Our preface and SETTINGS are in the output at once. A server expects the client's preface as the first bytes. */
  constructor(role: Http2Role, limits: Http2Limits, events: Http2Events) {
    this.#state = new ConnectionState(role === "server", limits, events);
    this.#receiver = new FrameReceiver(this.#state);
    this.#reader = new FrameReader(this.#receiver);
    this.#sender = new Sender(this.#state);
    this.#prefaceBytes = role === "server" ? 0 : CLIENT_PREFACE.length;
    if (role === "client") this.#state.writer.raw(CLIENT_PREFACE);
    this.#state.writer.settings(ownSettings(role === "server", limits));
    this.#state.receiveWindows.announce();
  }

  /** Set: the peer broke the connection or flooded it. GOAWAY is in the output: flush it and close. Nothing is parsed any more. */
  get refusal(): Http2Refusal | null {
    return this.#state.refusal;
  }

  get peer(): PeerSettings {
    return this.#state.peer;
  }

  get openStreams(): number {
    return this.#state.streams.size;
  }

  /** Client: `sendRequest` would give a stream now. */
  get canRequest(): boolean {
    return this.#sender.canRequest;
  }

  /** One side has said that it takes no more streams. */
  get isGoingAway(): boolean {
    return this.#state.hasSentGoAway || this.#state.hasReceivedGoAway;
  }

  /** So much output waits that the owner should stop reading until the peer reads. */
  get isOutputFull(): boolean {
    return this.#state.output.pendingBytes >= this.#state.limits.maxPendingDataBytes;
  }

  // ── Bytes ──

  /** Takes `[start, end)` of a read; nothing of it is kept. @param nowMs any steady clock; flood budgets refill by it */
  feed(bytes: Uint8Array, start: number, end: number, nowMs: number): void {
    this.#state.budgets.refill(nowMs);
    const at = this.#prefaceBytes < CLIENT_PREFACE.length ? this.#preface(bytes, start, end) : start;
    if (this.#state.refusal !== null) return;
    this.#state.receiveWindows.readBegins(nowMs);
    this.#reader.feed(bytes, at, end);
    this.#receiver.readEnds();
  }

  /**
   * The next piece of output, or null. The caller owns it until it gives it back with `releaseOutput`, and calls this only
   * while its socket takes more: that is the brake. Blocked streams get their turn (`onWritable`) from within.
   */
  takeOutput(): Uint8Array | null {
    this.#sender.offerRoom();
    return this.#state.output.take();
  }

  /** The socket is done with a piece: never before, never twice. Optional, but saves allocating 32 KiB for the next one. */
  releaseOutput(piece: Uint8Array): void {
    releasePiece(piece);
  }

  // ── Client ──

  /** Null: no more streams now (see `canRequest`). `isEnd`: no body follows. */
  sendRequest(head: Http2RequestHead, isEnd: boolean): Http2Stream | null {
    return this.#sender.request(head, isEnd);
  }

  // ── Server ──

  /** 1xx but 101. No effect after the final head. */
  sendInterim(stream: Http2Stream, status: number, headers: readonly string[]): void {
    this.#sender.interim(stream, status, headers);
  }

  sendResponse(stream: Http2Stream, head: Http2ResponseHead, isEnd: boolean): void {
    this.#sender.response(stream, head, isEnd);
  }

  // ── Both ──

  /**
   * How many bytes were taken (copied): windows and output room decide. The rest is the caller's to keep and to offer again on
   * `onWritable`; offered earlier, none is taken. With `isEnd` the stream ends when all is taken, also when there is no data.
   */
  sendData(stream: Http2Stream, data: Uint8Array, isEnd: boolean): number {
    return this.#sender.data(stream, data, isEnd);
  }

  /** Ends our message. All data must have been taken before. */
  sendTrailers(stream: Http2Stream, trailers: readonly string[]): void {
    this.#sender.trailers(stream, trailers);
  }

  /**
   * The owner has moved on `bytes` of what `onData` brought: the peer may send more. Owed for every byte, also after the end of
   * the stream, or the connection's window shrinks for good; only streams that were reset have theirs returned at once.
   */
  consume(stream: Http2Stream, bytes: number): void {
    if (this.#state.refusal === null) this.#state.receiveWindows.consume(stream, bytes);
  }

  /** Ends the stream at once, in both directions. NO_ERROR after a complete response tells a client to stop its upload. */
  reset(stream: Http2Stream, errorCode: number): void {
    if (this.#state.refusal === null) this.#state.cutOff(stream, errorCode);
  }

  /** `onPingAck` tells when the answer comes. False: one is under way already. */
  ping(): boolean {
    if (this.#state.isPinging || this.#state.refusal !== null) return false;
    this.#state.isPinging = true;
    this.#state.writer.ping(0, PING_PAYLOAD, 0);
    return true;
  }

  /**
   * RFC 9113 §6.8, first step: tells a client to open no more streams, and goes on serving what comes. A round trip later
   * (`ping`, or a timer) comes `goAway`.
   */
  announceGoAway(): void {
    if (!this.#state.hasSentGoAway) this.#state.goAway(MAX_WINDOW, NO_ERROR, "");
  }

  /** Second step, or the only one: streams that come after this are ignored; those that are open go on. */
  goAway(errorCode: number): void {
    if (this.#state.refusal === null) this.#state.goAway(this.#state.isServer ? this.#state.streams.lastId : 0, errorCode, "");
  }

  #preface(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && this.#prefaceBytes < CLIENT_PREFACE.length) {
      if (bytes[at] !== CLIENT_PREFACE[this.#prefaceBytes]) {
        this.#state.refuse(PROTOCOL_ERROR, "bad-preface");
        return at;
      }
      at++;
      this.#prefaceBytes++;
    }
    return at;
  }
}
