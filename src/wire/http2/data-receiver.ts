/**
 * DATA (RFC 9113 §6.1): windows are charged for a frame at its header, the message's length is checked before a byte of it is
 * handed on, and then it goes on as it arrives.
 */
import type { ConnectionState } from "./connection-state.js";
import { DataGatherer } from "./data-gatherer.js";
import { ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, PROTOCOL_ERROR, STREAM_CLOSED } from "./error-codes.js";
import type { FrameHeader } from "./frame-types.js";
import { END_STREAM, PADDED } from "./frame-types.js";
import type { StreamRefusal } from "./refusal.js";
import type { Http2Stream } from "./stream.js";
import { UNKNOWN_LENGTH } from "./stream.js";

/** Below this a frame is mostly overhead. */
const TINY_BYTES = 32;
/** From here on it pays for others, and is not gathered. */
const WORTHY_BYTES = 1024;
/** A message of gRPC or WebSocket has so many bytes at least. */
const LEAST_MESSAGE_BYTES = 4;
const NO_BYTES = new Uint8Array(0);
const PAD_LENGTH_UNREAD = -1;

export class DataReceiver {
  readonly #state: ConnectionState;
  readonly #gatherer = new DataGatherer((stream, data) => this.#tell(stream, data));
  // The frame at hand.
  /** Null: nobody wants it. */
  #stream: Http2Stream | null = null;
  #isEnd = false;
  #dataBytes = 0;
  #padBytes = 0;
  /** Data that has not come yet. */
  #remaining = 0;

  constructor(state: ConnectionState) {
    this.#state = state;
  }

  begin(header: FrameHeader): void {
    const { flags, length, streamId } = header;
    if (length >= WORTHY_BYTES || (flags & PADDED) !== 0 || !this.#gatherer.isFor(streamId)) this.flush();
    if (!this.#state.receiveWindows.charge(length)) {
      this.flush();
      return this.#state.refuse(FLOW_CONTROL_ERROR, "window-exceeded");
    }
    this.#isEnd = (flags & END_STREAM) !== 0;
    this.#dataBytes = length;
    this.#remaining = length;
    this.#stream = this.#receiver(streamId, length);
    if (this.#state.refusal !== null) return;
    if ((flags & PADDED) !== 0) this.#padBytes = PAD_LENGTH_UNREAD;
    else {
      this.#padBytes = 0;
      this.#announced();
    }
  }

  piece(bytes: Uint8Array, start: number, end: number, isLast: boolean): void {
    let at = start;
    if (this.#padBytes === PAD_LENGTH_UNREAD && at < end) this.#padding(bytes[at++] as number);
    const dataEnd = Math.min(end, at + this.#remaining);
    this.#remaining -= dataEnd - at;
    // Of the padding, what is in this piece; its length byte too.
    this.#returnCredit(end - start - (dataEnd - at));
    if (this.#state.refusal === null) this.#deliver(bytes, at, dataEnd, isLast);
  }

  /** What was gathered goes on: before anything else happens, and at the end of a read. */
  flush(): void {
    this.#gatherer.flush();
  }

  /** The stream that takes the frame. Null: it is to be ignored, or something was refused. */
  #receiver(streamId: number, length: number): Http2Stream | null {
    const { isServer, streams } = this.#state;
    const stream = streams.get(streamId);
    if (stream === undefined) return this.#absent(streamId);
    if (stream.isReceiveEnded) this.#breakOff(stream, STREAM_CLOSED, "half-closed-stream");
    else if (!isServer && !stream.hasHead) this.#breakOff(stream, PROTOCOL_ERROR, "data-before-head");
    else if (length > stream.receiveWindow) this.#breakOff(stream, FLOW_CONTROL_ERROR, "stream-window-exceeded");
    else {
      stream.receiveWindow -= length;
      return stream;
    }
    return null;
  }

  #breakOff(stream: Http2Stream, errorCode: number, reason: StreamRefusal): void {
    this.flush();
    this.#state.breakOff(stream, errorCode, reason);
  }

  #absent(streamId: number): null {
    const absence = this.#state.streams.absence(streamId);
    if (absence === "idle") this.#state.refuse(PROTOCOL_ERROR, "idle-stream");
    else if (absence === "closed") this.#state.refuse(STREAM_CLOSED, "closed-stream");
    else {
      this.#state.spend("late-frames");
      if (this.#isEnd) this.#state.streams.endedByPeer(streamId);
    }
    return null;
  }

  /** §6.1: padding as long as the payload or longer is an error of the connection. */
  #padding(padBytes: number): void {
    this.#padBytes = padBytes;
    this.#dataBytes -= 1 + padBytes;
    this.#remaining = Math.max(0, this.#dataBytes);
    if (this.#dataBytes < 0) this.#state.refuse(PROTOCOL_ERROR, "bad-padding");
    else this.#announced();
  }

  /** How much data the frame brings is known. */
  #announced(): void {
    this.#count();
    const stream = this.#stream;
    if (stream === null) return;
    stream.receivedBytes += this.#dataBytes;
    const { expectedBytes, receivedBytes } = stream;
    if (expectedBytes === UNKNOWN_LENGTH) return;
    if (receivedBytes <= expectedBytes && (!this.#isEnd || receivedBytes === expectedBytes)) return;
    this.#stream = null;
    this.#breakOff(stream, PROTOCOL_ERROR, stream.hasNoBody ? "body-without-right" : "length-mismatch");
  }

  #count(): void {
    if (this.#dataBytes >= WORTHY_BYTES) this.#state.budgets.frameMoved();
    else if (this.#dataBytes === 0 && !this.#isEnd) {
      this.flush();
      this.#state.spend("empty-frames");
    } else if (this.#dataBytes < TINY_BYTES && this.#stream !== null) this.#countTiny(this.#stream);
  }

  /**
   * By use: tiny frames that are read as they come cost little, however many there are. Those that lie unread are limited, if they
   * hold less than messages would. What services send to slow clients is bounded by its window alone.
   */
  #countTiny(stream: Http2Stream): void {
    stream.unreadTinyFrames++;
    if (!this.#state.isServer || !this.#isUnread(stream)) return;
    this.flush();
    // Of what was gathered, the receiver has not known.
    if (this.#isUnread(stream)) this.#state.refuse(ENHANCE_YOUR_CALM, "tiny-data");
  }

  #isUnread({ unconsumedBytes, unreadTinyFrames }: Http2Stream): boolean {
    return unreadTinyFrames > this.#state.limits.maxUnreadTinyFrames + unconsumedBytes / LEAST_MESSAGE_BYTES;
  }

  /** Data that nobody will consume, and padding. */
  #returnCredit(bytes: number): void {
    if (bytes === 0) return;
    this.#state.receiveWindows.credit(bytes);
    if (this.#stream !== null) this.#state.receiveWindows.creditStream(this.#stream, bytes);
  }

  #deliver(bytes: Uint8Array, start: number, end: number, isLastPiece: boolean): void {
    const stream = this.#stream;
    if (stream === null || stream.isClosed) return this.#state.receiveWindows.credit(end - start);
    const isEnd = this.#isEnd && isLastPiece;
    if (!isEnd && (end === start || (end - start < WORTHY_BYTES && this.#gather(stream, bytes, start, end)))) return;
    this.flush();
    if (stream.isClosed) return this.#state.receiveWindows.credit(end - start);
    if (isEnd) stream.isReceiveEnded = true;
    if (stream.isDiscarding) this.#returnCredit(end - start);
    else {
      stream.unconsumedBytes += end - start;
      this.#state.events.onData(stream, end > start ? bytes.subarray(start, end) : NO_BYTES, isEnd);
    }
    if (isEnd) this.#state.closeIfDone(stream);
  }

  #gather(stream: Http2Stream, bytes: Uint8Array, start: number, end: number): boolean {
    if (stream.isDiscarding || this.#padBytes > 0) return false;
    if (!this.#gatherer.add(stream, bytes, start, end)) {
      this.flush();
      if (stream.isClosed || !this.#gatherer.add(stream, bytes, start, end)) return false;
    }
    stream.unconsumedBytes += end - start;
    return true;
  }

  #tell(stream: Http2Stream, data: Uint8Array): void {
    if (!stream.isClosed) this.#state.events.onData(stream, data, false);
  }
}
