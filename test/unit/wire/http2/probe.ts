/** A connection of either role under test: fed raw frames, it notes every event and gives its output as frames. */

import type { Http2Role } from "../../../../src/wire/http2/connection.js";
import { Http2Connection } from "../../../../src/wire/http2/connection.js";
import type { Http2Events, Http2RequestHead, Http2ResponseHead } from "../../../../src/wire/http2/events.js";
import type { Http2Limits } from "../../../../src/wire/http2/limits.js";
import { DEFAULT_HTTP2_LIMITS } from "../../../../src/wire/http2/limits.js";
import type { Http2Stream } from "../../../../src/wire/http2/stream.js";
import { codeName, describeFrame, PREFACE, parseFrames, SETTINGS_ACK, settings } from "./raw-frames.js";

export const OK: Http2ResponseHead = { status: 200, headers: [], bodyLength: -1 };

export const GET_REQUEST: Http2RequestHead = {
  method: "GET",
  scheme: "https",
  authority: "a.example",
  path: "/",
  protocol: "",
  headers: [],
  bodyLength: 0,
  acceptsTrailers: false,
};

export class Probe implements Http2Events {
  readonly connection: Http2Connection;
  readonly isServer: boolean;
  /** Every event in order; pieces of data that follow each other are one. */
  readonly events: string[] = [];
  /** Every stream ever seen. */
  readonly streams = new Map<number, Http2Stream>();
  readonly heads = new Map<number, Http2RequestHead | Http2ResponseHead>();
  nowMs = 1000;
  /** Consume data as it comes. */
  isConsuming = true;
  /** Asked inside of each event. */
  onEvent: (stream: Http2Stream | null, event: string) => void = () => {};

  constructor(role: Http2Role, limits: Partial<Http2Limits> = {}) {
    this.isServer = role === "server";
    this.connection = new Http2Connection(role, { ...DEFAULT_HTTP2_LIMITS, ...limits }, this);
  }

  /** Past the preface and the SETTINGS of both; nothing noted, no output left. */
  static ready(role: Http2Role, limits: Partial<Http2Limits> = {}): Probe {
    const probe = new Probe(role, limits);
    if (probe.isServer) probe.feed(PREFACE);
    probe.feed(settings(), SETTINGS_ACK);
    probe.frames();
    probe.events.length = 0;
    return probe;
  }

  feed(...parts: readonly Uint8Array[]): this {
    const bytes = Buffer.concat(parts);
    this.connection.feed(bytes, 0, bytes.length, this.nowMs);
    return this;
  }

  /** In pieces, each in memory that is overwritten afterwards: a codec that kept a reference would see it change. */
  feedPieces(bytes: Uint8Array, sizes: readonly number[]): this {
    for (let at = 0, turn = 0; at < bytes.length; turn++) {
      const end = Math.min(bytes.length, at + (sizes[turn % sizes.length] as number));
      const piece = Buffer.alloc(end - at + 4, 0xee);
      piece.set(bytes.subarray(at, end), 2);
      this.connection.feed(piece, 2, 2 + end - at, this.nowMs);
      piece.fill(0xdd);
      at = end;
    }
    return this;
  }

  stream(id: number): Http2Stream {
    const stream = this.streams.get(id);
    if (stream === undefined) throw new Error(`no stream ${id}; events: ${this.events.join(", ")}`);
    return stream;
  }

  /** All output, as raw bytes. */
  output(): Buffer {
    const pieces: Buffer[] = [];
    for (let piece = this.connection.takeOutput(); piece !== null; piece = this.connection.takeOutput()) {
      pieces.push(Buffer.from(piece));
      this.connection.releaseOutput(piece);
    }
    return Buffer.concat(pieces);
  }

  frames(): string[] {
    const bytes = this.output();
    const start = bytes.subarray(0, PREFACE.length).equals(PREFACE) ? PREFACE.length : 0;
    return parseFrames(bytes.subarray(start)).map(describeFrame);
  }

  /** The reason and the code of the refusal, or "". */
  refusal(): string {
    const { refusal } = this.connection;
    return refusal === null ? "" : `${refusal.reason} ${codeName(refusal.errorCode)}`;
  }

  get(): Http2Stream {
    return this.request(GET_REQUEST, true);
  }

  request(head: Http2RequestHead, isEnd: boolean): Http2Stream {
    const stream = this.connection.sendRequest(head, isEnd);
    if (stream === null) throw new Error("no stream to be had");
    this.streams.set(stream.id, stream);
    return stream;
  }

  onRequest(stream: Http2Stream, head: Http2RequestHead, isEnd: boolean): void {
    this.heads.set(stream.id, head);
    this.#note(stream, `request ${stream.id} ${head.method} ${head.path}${isEnd ? " END" : ""}`);
  }

  onOversizedRequest(stream: Http2Stream): void {
    this.#note(stream, `oversized ${stream.id}`);
  }

  onRefusedRequest(streamId: number, errorCode: number, reason: string): void {
    this.#note(null, `refused ${streamId} ${reason} ${codeName(errorCode)}`);
  }

  onInterim(stream: Http2Stream, status: number): void {
    this.#note(stream, `interim ${stream.id} ${status}`);
  }

  onResponse(stream: Http2Stream, head: Http2ResponseHead, isEnd: boolean): void {
    this.heads.set(stream.id, head);
    this.#note(stream, `response ${stream.id} ${head.status}${isEnd ? " END" : ""}`);
  }

  onData(stream: Http2Stream, bytes: Uint8Array, isEnd: boolean): void {
    if (this.isConsuming) this.connection.consume(stream, bytes.length);
    const text = Buffer.from(bytes).toString("latin1");
    const start = `data ${stream.id} `;
    const last = this.events.at(-1);
    const joined = last?.startsWith(start) === true && !last.endsWith(" END") ? last + text : start + text;
    if (joined !== start + text) this.events.pop();
    this.#note(stream, joined + (isEnd ? " END" : ""));
  }

  onTrailers(stream: Http2Stream, trailers: string[]): void {
    this.#note(stream, `trailers ${stream.id} ${trailers.join(",")}`);
  }

  onReset(stream: Http2Stream, errorCode: number, reason: string | null): void {
    this.#note(stream, `reset ${stream.id} ${reason ?? "by peer"} ${codeName(errorCode)}`);
  }

  onWritable(stream: Http2Stream): void {
    this.#note(stream, `writable ${stream.id}`);
  }

  onSettings(): void {
    this.#note(null, "settings");
  }

  onPingAck(): void {
    this.#note(null, "ping ack");
  }

  onGoAway(lastStreamId: number, errorCode: number): void {
    this.#note(null, `goaway ${lastStreamId} ${codeName(errorCode)}`);
  }

  #note(stream: Http2Stream | null, event: string): void {
    if (stream !== null) this.streams.set(stream.id, stream);
    this.events.push(event);
    this.onEvent(stream, event);
  }
}
