/**
 * The upward half of the byte pump: what has come from the client and not gone upstream yet, the brake on the client
 * when that grows, and, for requests that may be repeated, a short memory of what has been sent.
 */
import type { HeaderList } from "../engine/model/request.js";
import type { Downstream, UpstreamCall } from "./ports.js";

/** Waiting bytes at which the client is asked to stop. */
const PAUSE_AT_BYTES = 64 * 1024;

export class RequestBody {
  #chunks: Uint8Array[] = [];
  /** Index of the first chunk not yet given to the current attempt; those before it are kept for a replay. */
  #next = 0;
  #waitingBytes = 0;
  #isPaused = false;
  #isComplete = false;
  #trailers: HeaderList | undefined = undefined;
  #keepsSent: boolean;
  #call: UpstreamCall | null = null;
  /** The current attempt's socket is full. */
  #isBlocked = false;
  #hasForgotten = false;
  readonly #downstream: Downstream;
  receivedBytes = 0;
  /** A body that grows beyond this is not kept. The route's; read once an attempt takes bytes. */
  maxReplayBytes = 0;

  constructor(downstream: Downstream, isReplayable: boolean) {
    this.#downstream = downstream;
    this.#keepsSent = isReplayable;
  }

  /** Everything sent so far can be sent again. */
  get canReplay(): boolean {
    return !this.#hasForgotten;
  }

  /** Nothing more comes. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** As much waits here as is kept; the client has been asked to stop. */
  get isFull(): boolean {
    return this.#isPaused;
  }

  /** Whatever the method is: the next attempt may turn out not to have been looked at. */
  keepSent(): void {
    if (!this.#hasForgotten) this.#keepsSent = true;
  }

  /** `chunk` is borrowed. */
  push(chunk: Uint8Array, isLast: boolean): void {
    this.receivedBytes += chunk.length;
    if (isLast) this.#isComplete = true;
    if (chunk.length > 0 && !this.#passOn(chunk)) {
      this.#chunks.push(copyOf(chunk));
      this.#waitingBytes += chunk.length;
    }
    this.#flow();
  }

  /** The body has ended with trailers. */
  finish(trailers: HeaderList): void {
    this.#isComplete = true;
    this.#trailers = trailers;
    this.#flow();
  }

  /** Straight through, without a copy, when nothing is ahead of it and nobody may want it again. */
  #passOn(chunk: Uint8Array): boolean {
    const call = this.#call;
    if (call === null || this.#isBlocked || this.#chunks.length > 0 || this.#mustKeep()) return false;
    this.#hasForgotten = true;
    this.#isBlocked = !call.write(chunk);
    return true;
  }

  #mustKeep(): boolean {
    return this.#keepsSent && this.receivedBytes <= this.maxReplayBytes;
  }

  /** The current attempt can take bytes: from the start again when it is a repetition. */
  attach(call: UpstreamCall): void {
    this.#call = call;
    this.#isBlocked = false;
    this.#flow();
  }

  /** The current attempt has ended without an answer; what it took waits again. */
  detach(): void {
    this.#call = null;
    for (let i = 0; i < this.#next; i++) this.#waitingBytes += (this.#chunks[i] as Uint8Array).length;
    this.#next = 0;
  }

  drained(): void {
    this.#isBlocked = false;
    this.#flow();
  }

  /** An answer has begun, so there will be no repetition. */
  forgetSent(): void {
    this.#keepsSent = false;
    this.#dropSent();
  }

  /** Nobody wants the rest: let it flow and be dropped. */
  discard(): void {
    this.#chunks = [];
    this.#next = 0;
    this.#waitingBytes = 0;
    this.#call = null;
    this.#resume();
  }

  #flow(): void {
    const call = this.#call;
    if (call !== null && !this.#isBlocked) this.#send(call);
    if (this.#waitingBytes > PAUSE_AT_BYTES) this.#pause();
    else if (this.#waitingBytes === 0 && !this.#isBlocked) this.#resume();
  }

  #send(call: UpstreamCall): void {
    while (this.#next < this.#chunks.length && !this.#isBlocked) {
      const chunk = this.#chunks[this.#next++] as Uint8Array;
      this.#waitingBytes -= chunk.length;
      this.#isBlocked = !call.write(chunk);
    }
    if (!this.#mustKeep()) {
      this.#keepsSent = false;
      this.#dropSent();
    }
    if (this.#isComplete && this.#next === this.#chunks.length) {
      this.#call = null;
      call.end(this.#trailers);
    }
  }

  #dropSent(): void {
    if (this.#next === 0) return;
    this.#hasForgotten = true;
    this.#chunks = this.#next === this.#chunks.length ? [] : this.#chunks.slice(this.#next);
    this.#next = 0;
  }

  #pause(): void {
    if (this.#isPaused || this.#isComplete) return;
    this.#isPaused = true;
    this.#downstream.pauseBody();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#downstream.resumeBody();
  }
}

function copyOf(chunk: Uint8Array): Uint8Array {
  const copy = Buffer.allocUnsafe(chunk.length);
  copy.set(chunk);
  return copy;
}
