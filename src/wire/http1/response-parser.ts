/**
 * Responses, as a client reads them: bytes in at any split, events out, one response at a time. Strict: everything RFC
 * 9112 lets a recipient refuse is refused. It stops at the end of the response; what follows is the caller's to judge.
 */

import type { BodyEvents } from "./body-decoder.js";
import { BodyDecoder } from "./body-decoder.js";
import type { Latin1Bytes } from "./bytes.js";
import { HeadParser } from "./head-parser.js";
import type { Http1Limits, Refusal } from "./refusal.js";
import { DEFAULT_HTTP1_LIMITS } from "./refusal.js";
import { StatusLine } from "./status-line.js";

export interface ResponseEvents extends BodyEvents {
  /** 1xx but 100 and 101. `headers` as in `onHead`. */
  onInterim(status: number, headers: string[]): void;
  /**
   * The final head. `headers` belongs to the receiver; fields of framing and of this connection are not among them.
   * `bodyLength`: exact, -1 when unknown; for HEAD the length a GET would have had. False: stop here, `feed` returns.
   */
  onHead(status: number, headers: string[], bodyLength: number): boolean;
}

type Phase = "head" | "body" | "done";

export class ResponseParser {
  isComplete = false;
  refusal: Refusal | null = null;
  /** Valid once complete: null when there were none. */
  trailers: string[] | null = null;
  /** Valid after the head: the peer lets the connection serve another exchange. */
  canPersist = false;
  /** From `Keep-Alive: timeout=N`; -1 when absent. */
  keepAliveTimeoutS = -1;
  /** The response was the 101 that `start` allowed: what follows it is no HTTP. */
  isUpgraded = false;

  readonly #events: ResponseEvents;
  readonly #limits: Http1Limits;
  readonly #line: StatusLine;
  readonly #head: HeadParser;
  readonly #body: BodyDecoder;
  #phase: Phase = "done";
  #isHeadRequest = false;
  #mayUpgrade = false;
  #interimCount = 0;

  constructor(events: ResponseEvents, limits: Http1Limits = DEFAULT_HTTP1_LIMITS) {
    this.#events = events;
    this.#limits = limits;
    this.#line = new StatusLine(limits.maxHeadBytes);
    this.#head = new HeadParser(this.#line);
    this.#body = new BodyDecoder(events, this.#head, limits);
  }

  /** Expect the response to one request. @param mayUpgrade the request asked for WebSocket: 101 is a final status */
  start(method: string, mayUpgrade = false): void {
    this.isComplete = false;
    this.refusal = null;
    this.trailers = null;
    this.canPersist = false;
    this.keepAliveTimeoutS = -1;
    this.#phase = "head";
    this.#isHeadRequest = method === "HEAD";
    this.#mayUpgrade = mayUpgrade;
    this.isUpgraded = false;
    this.#interimCount = 0;
    this.#startHead();
  }

  /** Returns the offset of the first byte not taken: the response ended, was refused, or the receiver said stop. */
  feed(bytes: Latin1Bytes, start: number, end: number): number {
    let at = start;
    while (this.#phase === "head") {
      if (at >= end) return at;
      at = this.#head.feed(bytes, at, end);
      if (this.#head.refusal !== null) this.#refuse(this.#head.refusal);
      if (this.#head.isComplete && !this.#headDone()) return at;
    }
    if (this.#phase === "body" && at < end) {
      at = this.#body.feed(bytes, at, end);
      if (this.#body.refusal !== null) this.#refuse(this.#body.refusal);
      else if (this.#body.isComplete) this.#bodyDone();
    }
    return at;
  }

  /** The connection has ended: completes a body that runs until then, and nothing else. */
  finish(): void {
    if (this.#phase === "body" && this.#body.isUntilEnd) this.#bodyDone();
  }

  #startHead(): void {
    this.#head.startHead(this.#limits.maxHeadBytes, this.#limits.maxFields);
  }

  /** False: the receiver said stop. */
  #headDone(): boolean {
    const refusal = this.#interimRefusal() ?? this.#framingRefusal();
    if (refusal !== null) {
      this.#refuse(refusal);
      return true;
    }
    if (this.#line.status === 101) return this.#upgraded();
    return this.#line.status < 200 ? this.#interim() : this.#finalHead();
  }

  #interim(): boolean {
    const { status } = this.#line;
    const { headers } = this.#head;
    this.#startHead();
    if (status !== 100) this.#events.onInterim(status, headers);
    return true;
  }

  #upgraded(): boolean {
    this.#phase = "done";
    this.isComplete = true;
    this.isUpgraded = true;
    return this.#events.onHead(this.#line.status, this.#head.headers, 0);
  }

  #finalHead(): boolean {
    const head = this.#head;
    const { headers, controls } = head;
    this.keepAliveTimeoutS = controls.keepAliveTimeoutS;
    this.canPersist = !controls.saysClose && (this.#line.minorVersion === 1 || controls.saysKeepAlive);
    const length = controls.contentLength;
    this.#phase = "body";
    if (this.#hasNoBody()) this.#body.startLength(0);
    else if (controls.isChunked) this.#body.startChunked();
    else if (length !== -1) this.#body.startLength(length);
    else {
      this.canPersist = false;
      this.#body.startUntilEnd();
    }
    if (this.#body.isComplete) this.#bodyDone();
    return this.#events.onHead(this.#line.status, headers, this.#isBodiless() ? 0 : length);
  }

  #interimRefusal(): Refusal | null {
    if (this.#line.status >= 200) return null;
    if (this.#line.status === 101)
      return this.#mayUpgrade && this.#line.minorVersion === 1 && this.#saysWebSocket() ? null : "unexpected-upgrade";
    if (this.#line.minorVersion === 0) return "interim-in-http-1.0";
    return ++this.#interimCount > this.#limits.maxInterimResponses ? "too-many-interim" : null;
  }

  /** `Connection: upgrade` with `Upgrade: websocket` (RFC 9110 §7.8). */
  #saysWebSocket(): boolean {
    const { controls } = this.#head;
    return controls.isUpgradeNamed && controls.upgrade === "websocket";
  }

  #framingRefusal(): Refusal | null {
    const { controls } = this.#head;
    if (controls.isChunked && this.#line.minorVersion === 0) return "coding-in-http-1.0";
    // RFC 9112 §6.1, RFC 9110 §8.6: neither field may come with these; a zero length is common and says nothing new.
    const isForbidden = this.#line.status < 200 || this.#line.status === 204;
    return isForbidden && (controls.isChunked || controls.contentLength > 0) ? "body-without-right" : null;
  }

  /** By status, whatever the request was. */
  #isBodiless(): boolean {
    return this.#line.status === 204 || this.#line.status === 304;
  }

  #hasNoBody(): boolean {
    return this.#isHeadRequest || this.#isBodiless();
  }

  #bodyDone(): void {
    // Only chunked bodies parse trailers; until then `headers` is the head's, which the receiver owns.
    if (this.#body.hasTrailers) this.trailers = this.#head.headers.length === 0 ? null : this.#head.headers;
    this.#phase = "done";
    this.isComplete = true;
  }

  #refuse(refusal: Refusal): void {
    this.refusal = refusal;
    this.#phase = "done";
  }
}
