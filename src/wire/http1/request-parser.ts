/**
 * Requests, as a server reads them: bytes in at any split, events out, one request at a time. Strict: everything RFC 9112
 * lets a recipient refuse is refused. It stops at the end of each request: whether what follows is the next request, the
 * bytes of a CONNECT tunnel or another protocol after an upgrade is the caller's to decide.
 */
import { isAuthority } from "./authority.js";
import type { BodyEvents } from "./body-decoder.js";
import { BodyDecoder } from "./body-decoder.js";
import type { Latin1Bytes } from "./bytes.js";
import type { ControlFields } from "./control-fields.js";
import { isToken } from "./field-names.js";
import { HeadParser } from "./head-parser.js";
import type { IncomingRequest, ReceivedRequest } from "./incoming-request.js";
import { clearRequest, createReceivedRequest } from "./incoming-request.js";
import type { Http1Limits, Refusal } from "./refusal.js";
import { DEFAULT_HTTP1_LIMITS } from "./refusal.js";
import { RequestLine } from "./request-line.js";

export interface RequestEvents extends BodyEvents {
  /** The head is complete and sound. False: stop here, `feed` returns. */
  onHead(request: IncomingRequest): boolean;
}

type Phase = "head" | "body" | "done";

export class RequestParser {
  isComplete = false;
  /** Once set, the connection must not be read any further; `statusOf` says what to answer. No further events. */
  refusal: Refusal | null = null;
  /** Valid once complete: null when there were none. */
  trailers: string[] | null = null;

  readonly #events: RequestEvents;
  readonly #limits: Http1Limits;
  readonly #request: ReceivedRequest = createReceivedRequest();
  readonly #head: HeadParser;
  readonly #body: BodyDecoder;
  #phase: Phase = "done";

  constructor(events: RequestEvents, limits: Http1Limits = DEFAULT_HTTP1_LIMITS) {
    this.#events = events;
    this.#limits = limits;
    this.#head = new HeadParser(new RequestLine(this.#request, limits));
    this.#body = new BodyDecoder(events, this.#head, limits);
  }

  /** What is known of the request; without `onHead` only the request line can be, and for a log only. */
  get request(): IncomingRequest {
    return this.#request;
  }

  /**
   * A byte of the request has come, an empty line before it aside. False: nothing is lost when the connection closes now,
   * and it is idle time that passes, not the time for a head.
   */
  get hasBegun(): boolean {
    return this.#phase !== "head" || this.#head.hasBegun;
  }

  /** Expect a request. To be called before the first one and after each complete one. */
  start(): void {
    this.isComplete = false;
    this.refusal = null;
    this.trailers = null;
    this.#phase = "head";
    clearRequest(this.#request);
    this.#head.startHead(this.#limits.maxHeadBytes, this.#limits.maxFields);
  }

  /**
   * Returns the offset of the first byte not taken: the request ended, was refused, or the receiver said stop. Feed again
   * from there after a stop; after `isComplete`, the bytes from there on are the next request (`start` first), or the
   * rest that belongs to a tunnel or an upgraded protocol.
   */
  feed(bytes: Latin1Bytes, start: number, end: number): number {
    let at = start;
    if (this.#phase === "head") {
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

  /** False: the receiver said stop. */
  #headDone(): boolean {
    const { controls, headers } = this.#head;
    const refusal = this.#hostRefusal(controls) ?? this.#framingRefusal(controls) ?? this.#read(controls);
    if (refusal !== null) {
      this.#refuse(refusal);
      return true;
    }
    this.#request.headers = headers;
    this.#phase = "body";
    if (controls.isChunked) this.#body.startChunked();
    else this.#body.startLength(this.#request.bodyLength);
    if (this.#body.isComplete) this.#bodyDone();
    return this.#events.onHead(this.#request);
  }

  /** RFC 9112 §3.2. A Host that the target overrules must be sound all the same. */
  #hostRefusal(controls: ControlFields): Refusal | null {
    const request = this.#request;
    if (controls.hostCount > 1) return "repeated-host";
    if (controls.hostCount === 0) return request.minorVersion === 0 ? null : "missing-host";
    if (!isAuthority(controls.host)) return "bad-host";
    if (request.authority === "") request.authority = controls.host;
    return null;
  }

  #framingRefusal(controls: ControlFields): Refusal | null {
    const { method, minorVersion } = this.#request;
    if (controls.isChunked && minorVersion === 0) return "coding-in-http-1.0";
    if (controls.contentLength > this.#limits.maxBodyBytes) return "body-too-large";
    // RFC 9110 §9.3.6 and §9.3.8: what comes after CONNECT is the tunnel's, and TRACE sends nothing.
    const isForbidden = method === "CONNECT" || method === "TRACE";
    return isForbidden && (controls.isChunked || controls.contentLength > 0) ? "body-without-right" : null;
  }

  /** What the fields of a sound head say. In HTTP/1.0 most of them say nothing (RFC 9110 §7.8, §10.1.1). */
  #read(controls: ControlFields): Refusal | null {
    const request = this.#request;
    request.bodyLength = controls.isChunked ? -1 : Math.max(controls.contentLength, 0);
    request.hasZeroLength = controls.contentLength === 0;
    if (request.minorVersion === 0) {
      request.canPersist = controls.saysKeepAlive && !controls.saysClose;
      return null;
    }
    request.canPersist = !controls.saysClose;
    request.acceptsTrailers = controls.acceptsTrailers;
    if (controls.expectation !== null) {
      if (controls.expectation !== "100-continue") return "unsupported-expectation";
      request.expectsContinue = request.bodyLength !== 0;
    }
    return controls.isUpgradeNamed ? this.#readUpgrades(controls.upgrade) : null;
  }

  #readUpgrades(value: string): Refusal | null {
    const protocols = value.split(",").map(trimmed).filter(isNotEmpty);
    if (!protocols.every(isProtocol)) return "bad-upgrade";
    this.#request.upgrades = protocols;
    return null;
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

function trimmed(text: string): string {
  return text.trim();
}

function isNotEmpty(text: string): boolean {
  return text !== "";
}

/** RFC 9110 §7.8: a name, perhaps with a version. */
function isProtocol(text: string): boolean {
  const slash = text.indexOf("/");
  return slash === -1 ? isToken(text) : isToken(text.slice(0, slash)) && isToken(text.slice(slash + 1));
}
