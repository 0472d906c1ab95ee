/**
 * HEADERS and CONTINUATION (RFC 9113 §6.2, §6.10): which stream a block is for and what it may be is settled at its first frame;
 * it is decoded in any case, because HPACK cannot skip; then it becomes a request, a response, trailers, or nothing.
 */
import { HpackDecoder } from "../hpack/decoder.js";
import type { ConnectionState } from "./connection-state.js";
import { COMPRESSION_ERROR, ENHANCE_YOUR_CALM, PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED } from "./error-codes.js";
import { FieldSection } from "./field-section.js";
import type { FrameHeader } from "./frame-types.js";
import { END_HEADERS, END_STREAM, HAS_PRIORITY, PADDED, readUint31 } from "./frame-types.js";
import { HeaderBlock } from "./header-block.js";
import { requestHead, responseHead, responseStatus } from "./message-heads.js";
import type { StreamRefusal } from "./refusal.js";
import type { Http2Stream } from "./stream.js";
import { UNKNOWN_LENGTH } from "./stream.js";

/** What to do with the block at hand once it is decoded. */
type Fate = "open" | "refuse" | "message" | "half-closed" | "ignore";

/** One for all: nothing of it outlives a call. */
const section = new FieldSection();

export class HeadReceiver {
  /** The stream whose CONTINUATION must come next; 0: none. */
  continuationId = 0;

  readonly #state: ConnectionState;
  readonly #decoder: HpackDecoder;
  readonly #block: HeaderBlock;
  // The block at hand.
  #fate: Fate = "ignore";
  #streamId = 0;
  #isEnd = false;
  #dependsOnItself = false;

  constructor(state: ConnectionState) {
    this.#state = state;
    this.#decoder = new HpackDecoder(state.limits);
    this.#block = new HeaderBlock(state.limits.maxHeaderBlockBytes);
  }

  /** The peer knows our SETTINGS. */
  acknowledgeLimit(): void {
    this.#decoder.acknowledgeLimit();
  }

  headers(header: FrameHeader, bytes: Uint8Array, start: number, end: number): void {
    const { flags, streamId } = header;
    let from = start;
    const padBytes = (flags & PADDED) === 0 ? 0 : (bytes[from++] as number);
    this.#dependsOnItself = (flags & HAS_PRIORITY) !== 0 && readUint31(bytes, from) === streamId;
    if ((flags & HAS_PRIORITY) !== 0) from += 5;
    if (end - padBytes < from) return this.#state.refuse(PROTOCOL_ERROR, "bad-padding");
    this.#streamId = streamId;
    this.#isEnd = (flags & END_STREAM) !== 0;
    const fate = this.#fateOf(streamId);
    if (fate === null) return;
    this.#fate = fate;
    if ((flags & END_HEADERS) !== 0) this.#complete(bytes, from, end - padBytes);
    else this.#append(bytes, from, end - padBytes);
  }

  continuation(header: FrameHeader, bytes: Uint8Array, start: number, end: number): void {
    if (++this.#block.continuations > this.#state.limits.maxContinuations) {
      return this.#state.refuse(ENHANCE_YOUR_CALM, "too-many-continuations");
    }
    if (!this.#append(bytes, start, end) || (header.flags & END_HEADERS) === 0) return;
    this.continuationId = 0;
    this.#complete(this.#block.bytes, 0, this.#block.length);
    this.#block.release();
  }

  #append(bytes: Uint8Array, start: number, end: number): boolean {
    this.continuationId = this.#streamId;
    if (start === end && !this.#state.spend("empty-frames")) return false;
    if (this.#block.append(bytes, start, end)) return true;
    this.#state.refuse(ENHANCE_YOUR_CALM, "header-block-too-large");
    return false;
  }

  /** Null: the frame is an error of the connection. */
  #fateOf(streamId: number): Fate | null {
    const stream = this.#state.streams.get(streamId);
    if (stream !== undefined) return stream.isReceiveEnded ? "half-closed" : "message";
    switch (this.#state.streams.absence(streamId)) {
      case "idle":
        return this.#fateOfIdle(streamId);
      case "closed":
        this.#state.refuse(STREAM_CLOSED, "closed-stream");
        return null;
      case "forgotten":
        if (this.#state.isServer && streamId <= this.#state.lastAcceptedId) {
          this.#state.refuse(PROTOCOL_ERROR, "stream-id-not-increasing");
          return null;
        }
    }
    return this.#state.spend("late-frames") ? "ignore" : null;
  }

  #fateOfIdle(streamId: number): Fate | null {
    const { isServer, lastAcceptedId, limits, streams } = this.#state;
    if (!isServer || streamId % 2 === 0) {
      this.#state.refuse(PROTOCOL_ERROR, isServer ? "bad-stream-id" : "idle-stream");
      return null;
    }
    streams.lastId = streamId;
    // §6.8: what comes after our GOAWAY is the client's to repeat elsewhere.
    if (streamId > lastAcceptedId) return this.#state.spend("refused-streams") ? "ignore" : null;
    return streams.size >= limits.maxConcurrentStreams ? "refuse" : "open";
  }

  #complete(bytes: Uint8Array, start: number, end: number): void {
    if (this.#decoder.decode(bytes, start, end) !== null) return this.#state.refuse(COMPRESSION_ERROR, "hpack");
    if (this.#fate === "open") this.#open();
    else if (this.#fate === "refuse") this.#refuseRequest(REFUSED_STREAM, "refused-stream");
    else if (this.#fate === "ignore") this.#ignored();
    else this.#forStream(this.#state.streams.get(this.#streamId));
  }

  #ignored(): void {
    if (this.#isEnd) this.#state.streams.endedByPeer(this.#streamId);
  }

  /** The stream cannot have gone since its block began: nothing but CONTINUATION could come, but the owner may have reset it. */
  #forStream(stream: Http2Stream | undefined): void {
    if (stream === undefined) this.#ignored();
    else if (this.#fate === "half-closed") this.#state.breakOff(stream, STREAM_CLOSED, "half-closed-stream");
    else if (this.#dependsOnItself) this.#state.breakOff(stream, PROTOCOL_ERROR, "stream-self-dependency");
    else if (this.#decoder.isTooLarge) this.#oversized(stream);
    else if (this.#state.isServer || stream.hasHead) this.#trailers(stream);
    else this.#response(stream);
  }

  #oversized(stream: Http2Stream): void {
    if (this.#state.spend("oversized-heads")) this.#state.breakOff(stream, ENHANCE_YOUR_CALM, "head-too-large");
  }

  // ── Requests ──

  #open(): void {
    if (this.#dependsOnItself) return this.#refuseRequest(PROTOCOL_ERROR, "stream-self-dependency");
    if (this.#decoder.isTooLarge) return this.#oversizedRequest();
    section.read(this.#decoder.fields, "request");
    const head = requestHead(section, this.#state.limits.allowsExtendedConnect, this.#isEnd);
    if (typeof head === "string") return this.#refuseRequest(PROTOCOL_ERROR, head);
    const stream = this.#openStream();
    // §8.5: what follows CONNECT is no content.
    stream.expectedBytes = head.method === "CONNECT" ? UNKNOWN_LENGTH : head.bodyLength;
    this.#state.priorities.opened(stream, section.priority);
    this.#state.events.onRequest(stream, head, this.#isEnd);
  }

  #openStream(): Http2Stream {
    const { peer, receiveWindows, streams } = this.#state;
    const stream = streams.open(this.#streamId, peer.initialWindowBytes, receiveWindows.streamBytes);
    stream.hasHead = true;
    stream.isReceiveEnded = this.#isEnd;
    return stream;
  }

  #oversizedRequest(): void {
    if (!this.#state.spend("oversized-heads")) return;
    const stream = this.#openStream();
    stream.isDiscarding = true;
    this.#state.events.onOversizedRequest(stream);
  }

  #refuseRequest(errorCode: number, reason: StreamRefusal): void {
    this.#state.writer.reset(this.#streamId, errorCode);
    this.#state.streams.remember(this.#streamId, !this.#isEnd);
    this.#state.spend(reason === "refused-stream" ? "refused-streams" : "provoked-reset");
    this.#state.events.onRefusedRequest(this.#streamId, errorCode, reason);
  }

  // ── Responses ──

  #response(stream: Http2Stream): void {
    section.read(this.#decoder.fields, "response");
    const status = responseStatus(section);
    if (typeof status === "string") this.#state.breakOff(stream, PROTOCOL_ERROR, status);
    else if (status < 200) this.#interim(stream, status);
    else this.#finalResponse(stream, status);
  }

  #interim(stream: Http2Stream, status: number): void {
    if (this.#isEnd) this.#state.breakOff(stream, PROTOCOL_ERROR, "interim-ends-stream");
    else if (++stream.interimCount > this.#state.limits.maxInterimResponses) {
      this.#state.breakOff(stream, ENHANCE_YOUR_CALM, "too-many-interim");
    } else this.#state.events.onInterim(stream, status, section.headers);
  }

  #finalResponse(stream: Http2Stream, status: number): void {
    const hasBody = !stream.isHeadRequest && status !== 204 && status !== 304;
    const head = responseHead(section, status, { isEnd: this.#isEnd, hasBody });
    if (typeof head === "string") return this.#state.breakOff(stream, PROTOCOL_ERROR, head);
    stream.hasHead = true;
    stream.hasNoBody = !hasBody;
    stream.expectedBytes = hasBody ? head.bodyLength : 0;
    if (stream.isTunnel && status < 300) stream.expectedBytes = UNKNOWN_LENGTH;
    stream.isReceiveEnded = this.#isEnd;
    this.#state.events.onResponse(stream, head, this.#isEnd);
    this.#state.closeIfDone(stream);
  }

  // ── Trailers ──

  #trailers(stream: Http2Stream): void {
    if (!this.#isEnd) return this.#state.breakOff(stream, PROTOCOL_ERROR, "trailers-without-end");
    section.read(this.#decoder.fields, "trailers");
    const reason = section.refusal ?? (isShort(stream) ? "length-mismatch" : null);
    if (reason !== null) return this.#state.breakOff(stream, PROTOCOL_ERROR, reason);
    stream.isReceiveEnded = true;
    if (!stream.isDiscarding) this.#state.events.onTrailers(stream, section.headers);
    this.#state.closeIfDone(stream);
  }
}

function isShort(stream: Http2Stream): boolean {
  return stream.expectedBytes !== UNKNOWN_LENGTH && stream.receivedBytes !== stream.expectedBytes;
}
