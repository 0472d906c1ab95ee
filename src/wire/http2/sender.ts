/** Messages out: heads, data within windows and room, trailers. What it is told about streams that are over has no effect. */
import type { ConnectionState } from "./connection-state.js";
import type { Http2RequestHead, Http2ResponseHead } from "./events.js";
import { MAX_FRAME_BYTES } from "./frame-types.js";
import { HeadWriter } from "./head-writer.js";
import type { Http2Stream } from "./stream.js";

/** Streams of a client are numbered 1, 3, 5… up to 31 bits; then it needs a new connection (RFC 9113 §5.1.1). */
const MAX_STREAM_ID = 0x7fff_ffff;

export class Sender {
  readonly #state: ConnectionState;
  readonly #heads: HeadWriter;

  constructor(state: ConnectionState) {
    this.#state = state;
    this.#heads = new HeadWriter(state.output, state.encoder);
  }

  get canRequest(): boolean {
    const { hasReceivedGoAway, hasSentGoAway, isServer, limits, peer, refusal, streams } = this.#state;
    if (isServer || refusal !== null || hasReceivedGoAway || hasSentGoAway || streams.lastId >= MAX_STREAM_ID) return false;
    return streams.size < Math.min(peer.maxConcurrentStreams, limits.maxConcurrentStreams);
  }

  request(head: Http2RequestHead, isEnd: boolean): Http2Stream | null {
    if (!this.canRequest) return null;
    const { peer, receiveWindows, streams } = this.#state;
    streams.lastId += streams.lastId === 0 ? 1 : 2;
    const stream = streams.open(streams.lastId, peer.initialWindowBytes, receiveWindows.streamBytes);
    stream.isHeadRequest = head.method === "HEAD";
    stream.isTunnel = head.method === "CONNECT";
    this.#heads.request(stream.id, head, isEnd);
    stream.isHeadSent = true;
    if (isEnd) this.#state.endSend(stream);
    return stream;
  }

  interim(stream: Http2Stream, status: number, headers: readonly string[]): void {
    if (this.#canSend(stream) && !stream.isHeadSent) this.#heads.interim(stream.id, status, headers);
  }

  response(stream: Http2Stream, head: Http2ResponseHead, isEnd: boolean): void {
    if (!this.#canSend(stream) || stream.isHeadSent) return;
    this.#heads.response(stream.id, head, isEnd);
    stream.isHeadSent = true;
    if (isEnd) this.#state.endSend(stream);
  }

  trailers(stream: Http2Stream, trailers: readonly string[]): void {
    if (!this.#canSend(stream) || !stream.isHeadSent) return;
    // A block of no fields would be legal; an empty DATA frame says the same to every peer.
    if (trailers.length === 0) this.#state.writer.data(stream.id, EMPTY, true);
    else this.#heads.trailers(stream.id, trailers);
    this.#state.endSend(stream);
  }

  data(stream: Http2Stream, data: Uint8Array, isEnd: boolean): number {
    if (!this.#canSend(stream)) return data.length;
    if (!stream.isHeadSent || stream.isBlocked) return 0;
    if (data.length > 0 && this.#state.sendWindows.isBehind(stream)) {
      this.#state.sendWindows.block(stream);
      return 0;
    }
    const taken = Math.min(data.length, this.#room(stream));
    this.#frames(stream, taken === data.length ? data : data.subarray(0, taken), isEnd && taken === data.length);
    if (taken < data.length) this.#state.sendWindows.block(stream);
    else if (isEnd) this.#state.endSend(stream);
    return taken;
  }

  /** Lets blocked streams write, one frame at a time, while there is room. */
  offerRoom(): void {
    const { events, sendWindows } = this.#state;
    while (this.#state.refusal === null && this.#hasRoom()) {
      const stream = sendWindows.unblockNext();
      if (stream === null) break;
      events.onWritable(stream);
    }
    sendWindows.endTurn();
  }

  #canSend(stream: Http2Stream): boolean {
    return !stream.isClosed && !stream.isSendEnded && this.#state.refusal === null;
  }

  #hasRoom(): boolean {
    return this.#state.output.pendingBytes < this.#state.limits.maxPendingDataBytes;
  }

  /** Room may be exceeded by one frame: frames that shrink with the room that is left would be many and small. */
  #room(stream: Http2Stream): number {
    if (!this.#hasRoom()) return 0;
    const { limits, output, sendWindows } = this.#state;
    const room = Math.max(MAX_FRAME_BYTES, limits.maxPendingDataBytes - output.pendingBytes);
    const turn = sendWindows.hasWaiting ? MAX_FRAME_BYTES : room;
    return Math.max(0, Math.min(turn, stream.sendWindow, sendWindows.connection));
  }

  #frames(stream: Http2Stream, data: Uint8Array, isEnd: boolean): void {
    if (data.length === 0 && !isEnd) return;
    const { budgets, sendWindows, writer } = this.#state;
    sendWindows.spend(stream, data.length);
    budgets.frameMoved();
    for (let at = 0; data.length - at > MAX_FRAME_BYTES; at += MAX_FRAME_BYTES) {
      writer.data(stream.id, data.subarray(at, at + MAX_FRAME_BYTES), false);
      budgets.frameMoved();
    }
    const lastBytes = data.length % MAX_FRAME_BYTES || Math.min(data.length, MAX_FRAME_BYTES);
    writer.data(stream.id, lastBytes === data.length ? data : data.subarray(data.length - lastBytes), isEnd);
  }
}

const EMPTY = new Uint8Array(0);
