/**
 * A response body that does not leave in one piece: with Content-Length through `tryEnd`, chunked through `write`. It
 * follows rules 2, 3, 4, 7, 8 and 10 of response-writer.ts, on whose behalf it writes, and knows how far the client is.
 */
import type { UwsResponse } from "./addon.js";
import { type RequestBody, rearmTimer } from "./body.js";
import { SlowClient, type SlowClientOwner, type SlowClientPolicy } from "./slow-client.js";

export interface StreamPolicy extends SlowClientPolicy {
  readonly isTls: boolean;
}

/** The response writer. */
export interface StreamOwner {
  readonly body: RequestBody | null;
  /** Of the head as long as it has not left, which the first write carries. */
  readonly headBytes: number;
  emitHead(): void;
  /** Runs `run` inside a cork; an exception in it ends the response, not the process. */
  corked(run: () => void): void;
  crash(error: unknown): void;
  /** The client has taken what it was given. */
  onDrained(): void;
  /** The last byte has been given to the addon, which has forgotten the response. */
  onDone(): void;
  /** The client took nothing for too long. */
  onStalled(): void;
}

/** Below the cork's 16,384 by what the addon adds: Date, framing fields, chunk size, line ends. */
export const MAX_CORK_BYTES = 16_384 - 512;
const MIN_SLICE_BYTES = 1_024;
/** With nothing to write, how often doubt is answered by another offer before it is given up: after about 0.6 s. */
const MAX_DOUBTS = 6;
const EMPTY = Buffer.alloc(0);

export class ResponseStream implements SlowClientOwner {
  readonly #res: UwsResponse;
  readonly #owner: StreamOwner;
  readonly #policy: StreamPolicy;
  /** -1: chunked. */
  readonly #declaredBytes: number;
  #givenBytes = 0;
  #isBlocked = false;
  /** Taken for drained without the addon having said so: the next bytes are a test. */
  #isDoubtful = false;
  #doubts = 0;
  #isEnding = false;
  /** The upload has ended, or has had its time to end before the response. */
  #hasLingered = false;
  #isLingering = false;
  #isOver = false;
  /** The end of what was given that the socket has not taken yet, or that the addon was not offered yet. */
  #rest: Uint8Array = EMPTY;
  /** Null until the client was slow for the first time. */
  #slow: SlowClient | null = null;

  constructor(res: UwsResponse, owner: StreamOwner, policy: StreamPolicy, declaredBytes: number) {
    this.#res = res;
    this.#owner = owner;
    this.#policy = policy;
    this.#declaredBytes = declaredBytes;
    res.onWritable(() => this.#onWritable());
  }

  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** Fewer bytes were given than declared. */
  get isShort(): boolean {
    return this.#givenBytes < this.#declaredBytes;
  }

  /** `chunk` is borrowed; what is too much for the declared length is dropped. An empty one lets the head leave, with a length. */
  write(chunk: Uint8Array): boolean {
    if (this.#declaredBytes < 0) this.#writeChunked(chunk);
    else this.#writeLength(chunk.subarray(0, this.#declaredBytes - this.#givenBytes));
    if (this.#isOver) return true;
    this.#settleBody();
    return !this.#isBlocked;
  }

  /** All has been given. With a length, the last byte is the end. */
  end(): void {
    this.#isEnding = true;
    if (this.#declaredBytes >= 0 || !this.#isBlocked) this.#finish();
  }

  /** The addon's response is dead, or is about to be. */
  close(): void {
    this.#isOver = true;
    this.#isBlocked = false;
    this.#isDoubtful = false;
    this.#rest = EMPTY;
    this.#slow?.stop();
  }

  /** See `BodyOwner`. Not at once: in a callback of the addon, what follows it would undo this. */
  onBodyTurned(): void {
    this.#slowClient().offerSoon();
  }

  // ── SlowClientOwner ──────────────────────────────────────────────────────────────────────────────────────────

  get isWaiting(): boolean {
    return this.#isBlocked || this.#isDoubtful;
  }

  offerAgain(): void {
    if (this.#isOver) return;
    this.#doubt();
    this.#drain();
    if (!this.#isOver) this.#settleBody();
  }

  rearm(): void {
    if (this.#declaredBytes >= 0) this.offerAgain();
    else if (!this.#isUnwatched()) {
      rearmTimer(this.#res);
      this.#owner.corked(() => {});
    }
  }

  onStalled(): void {
    this.#owner.onStalled();
  }

  // ── Chunked ──────────────────────────────────────────────────────────────────────────────────────────────────

  #writeChunked(chunk: Uint8Array): void {
    if (this.#rest.length > 0) {
      this.#rest = Buffer.concat([this.#rest, chunk]);
      return;
    }
    const takenBytes = this.#sendSlices(chunk);
    this.#rest = takenBytes < chunk.length ? Buffer.from(chunk.subarray(takenBytes)) : EMPTY; // borrowed until now
  }

  /** How many of the bytes the addon was given: all, unless it cannot be known when it has passed them on. */
  #sendSlices(bytes: Uint8Array): number {
    let at = 0;
    let isOk = true;
    while (at < bytes.length && !this.#isOver && (isOk || !this.#isCautious())) {
      const slice = bytes.subarray(at, at + this.#sliceBytes(bytes.length - at));
      this.#owner.corked(() => {
        this.#owner.emitHead();
        isOk = this.#res.write(slice);
      });
      at += slice.length;
      this.#afterSlice(isOk);
    }
    return at;
  }

  #sliceBytes(leftBytes: number): number {
    const isTest = this.#isDoubtful || (this.#isBlocked && this.#isUnwatched());
    const maxBytes = isTest ? MIN_SLICE_BYTES : Math.max(MIN_SLICE_BYTES, MAX_CORK_BYTES - this.#owner.headBytes);
    // The last byte goes alone: whether it is refused tells whether all before it has left.
    return this.#isFragile() && leftBytes > 1 ? Math.min(maxBytes, leftBytes - 1) : maxBytes;
  }

  /** `isOk`: the client has taken everything before this slice. */
  #afterSlice(isOk: boolean): void {
    if (this.#isOver) return;
    this.#setBlocked(!isOk);
    if (!isOk) return;
    this.#isDoubtful = false;
    this.#slow?.onMoved();
  }

  /** When it is time, and there is something to end: with a length, the last byte has done it. */
  #endChunked(): void {
    if (this.#declaredBytes >= 0 || this.#isBlocked) return;
    this.#owner.corked(() => this.#res.end());
    if (!this.#isOver) this.#owner.onDone();
  }

  // ── With a length ────────────────────────────────────────────────────────────────────────────────────────────

  #writeLength(chunk: Uint8Array): void {
    this.#givenBytes += chunk.length;
    if (!this.isShort) this.#owner.body?.onResponseEnding();
    if (this.#rest.length > 0) this.#rest = Buffer.concat([this.#rest, chunk]);
    else if (this.#offer(chunk)) this.#rest = Buffer.from(this.#rest); // borrowed until now
    if (!this.#isOver) this.#setBlocked(this.#rest.length > 0);
  }

  /** Offers bytes to the socket and keeps a view of what it did not take. True when there is such a rest. */
  #offer(bytes: Uint8Array): boolean {
    let isDone = false;
    const offered = !this.isShort && this.#isTooEarly() ? bytes.subarray(0, -1) : bytes;
    this.#owner.corked(() => {
      this.#owner.emitHead();
      isDone = this.#res.tryEnd(offered, this.#declaredBytes)[1];
    });
    if (this.#isOver) return false;
    if (isDone) {
      this.#owner.onDone();
      return false;
    }
    const untakenBytes = this.#givenBytes - this.#res.getWriteOffset();
    if (untakenBytes < bytes.length) this.#slow?.onMoved();
    this.#rest = bytes.subarray(bytes.length - untakenBytes);
    return untakenBytes > 0;
  }

  // ── Uploads that go on ───────────────────────────────────────────────────────────────────────────────────────

  /** All has been given, and of a chunked body the addon has passed everything on. */
  #finish(): void {
    const { body } = this.#owner;
    body?.onResponseEnding();
    if (body === null || !this.#isTooEarly()) return this.#endChunked();
    if (!this.#isLingering) body.linger(() => this.#onLingered());
    this.#isLingering = true;
  }

  /** Rule 8. */
  #isTooEarly(): boolean {
    const { body } = this.#owner;
    return !this.#hasLingered && body !== null && !body.isComplete;
  }

  /** Not at once: it may be told in a callback of the addon. */
  #onLingered(): void {
    this.#hasLingered = true;
    setImmediate(endLate, this);
  }

  /** @internal */
  endLate(): void {
    const { body } = this.#owner;
    if (this.#isOver || body === null) return;
    if (!body.isComplete) body.freeze();
    if (this.#declaredBytes >= 0) this.#drain();
    else this.#endChunked();
  }

  // ── Slow clients ─────────────────────────────────────────────────────────────────────────────────────────────

  #onWritable(): boolean {
    this.#isDoubtful = false;
    this.#slow?.onMoved();
    this.#drain();
    return true;
  }

  #drain(): void {
    try {
      const wasBlocked = this.#isBlocked;
      if (this.#isOver || !this.#sendRest() || !wasBlocked) return;
      this.#isBlocked = false;
      if (this.#isEnding) this.#finish();
      else this.#owner.onDrained();
    } catch (error) {
      this.#owner.crash(error);
    }
  }

  /** True: nothing is left here. */
  #sendRest(): boolean {
    const rest = this.#rest;
    if (rest.length === 0) {
      this.#owner.corked(() => {});
      return true;
    }
    if (this.#declaredBytes >= 0) return !this.#offer(rest);
    this.#rest = rest.subarray(this.#sendSlices(rest));
    return this.#rest.length === 0 && !this.#isBlocked;
  }

  #setBlocked(isBlocked: boolean): void {
    this.#isBlocked = isBlocked;
    if (isBlocked) this.#slowClient().watch();
  }

  #slowClient(): SlowClient {
    this.#slow ??= new SlowClient(this, this.#policy);
    return this.#slow;
  }

  /** The addon does not tell when the socket takes more. */
  #isUnwatched(): boolean {
    return this.#owner.body?.isStopped === true;
  }

  #isCautious(): boolean {
    return this.#isDoubtful || this.#isUnwatched();
  }

  /** Rule 10. */
  #isFragile(): boolean {
    return this.#policy.isTls && this.#declaredBytes < 0 && this.#owner.body?.isComplete === false;
  }

  #doubt(): void {
    if (this.#declaredBytes >= 0) return;
    if (this.#isBlocked) {
      this.#isDoubtful = true;
      this.#doubts = 0;
    } else if (this.#isDoubtful && ++this.#doubts > MAX_DOUBTS) this.#isDoubtful = false;
  }

  #settleBody(): void {
    if (this.#isFragile()) this.#owner.body?.holdBack(this.isWaiting);
    if (!this.#isUnwatched()) return;
    this.#owner.body?.keepStopped();
    this.#slowClient().offerLater();
  }
}

function endLate(stream: ResponseStream): void {
  stream.endLate();
}
