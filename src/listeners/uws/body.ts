/**
 * The request body: counts it, copies it (the addon takes its buffer back on return), lets the exchange brake it, and
 * keeps slow uploads alive within the listener's own time limit. It calls `pause`, `resume` and `onData` of a
 * uWebSockets.js response and nothing else of it.
 *
 * The brake has rules of its own in uWebSockets.js. While paused, a client that leaves is not noticed: so a paused
 * body looks again every few seconds. Pausing stops the response's polling as well, a response write that meets
 * backpressure un-pauses, and resuming restores what some other connection polled for: so the writer is told of every
 * turn (it then offers its bytes by the clock), and reading resumes before the last response byte, after which it
 * could not. What arrives against the exchange's wish is held, up to a limit.
 */
import type { ErrorCode } from "../../engine/model/errors.js";
import type { DownstreamHandler, Timer, Timers } from "../../proxy/ports.js";
import { UploadPace } from "../upload-pace.js";
import type { UwsResponse } from "./addon.js";
import { type HeldBudget, HeldBytes, SMALL_PIECE_BYTES } from "./held-bytes.js";

/** uWebSockets.js drops uploads below 16 KB/s, or silent ones, 10 to 14 s after it last re-armed its timer. */
const REARM_MS = 4_000;
/** An upload that is always on the brink of being too slow is not looked at more often. */
const MIN_LOOK_MS = 500;
/** How long a refused upload may go on after its reply, so that a reset does not destroy the reply on its way. */
const REFUSED_LINGER_MS = 2_000;
/** The same for an upload that the service answered early: how long it may be silent, and how long it may go on. */
const SILENT_LINGER_MS = 2_000;
const MAX_LINGER_MS = 30_000;
/** Above this a paused body no longer looks whether its client has ended the connection: looking may bring another read. */
const MAX_HELD_TO_LOOK_BYTES = 512 * 1024;
/** Small chunks of one turn are passed on together, at most so much at once. */
const MAX_GATHERED_BYTES = 16 * 1024;

export interface BodyLimits {
  /** 0: unlimited. */
  readonly maxBytes: number;
  /** Head to last byte; 0: unlimited. */
  readonly requestMs: number;
  /** 0: as slow as it likes. */
  readonly minBytesPerSecond: number;
  /** See `teachResume`. */
  hasTaughtResume: boolean;
  /**
   * What the bodies of a listener keep together at most against their exchanges' wish. Generous, because `pause` takes
   * effect late: as long as its 512 KiB buffer comes back full, the addon reads on in one go, and from a fast client on
   * the same machine that was seen to bring 360 MB. Clients across a network are bounded by the kernel's receive buffer.
   */
  readonly held: HeldBudget;
}

/** Whoever owns the response object. */
export interface BodyOwner {
  readonly handler: DownstreamHandler | null;
  /** Response bytes wait for the client. */
  readonly isBlocked: boolean;
  /** The connection must not live on after the response. */
  mustClose: boolean;
  enterCallback(): void;
  leaveCallback(): void;
  /** The addon has stopped polling the socket, or polls for who knows what: response bytes must be offered again. */
  onBodyTurned(): void;
  /** The client is gone, and the addon does not know. */
  onReset(): void;
  crash(error: unknown): void;
}

export class RequestBody {
  readonly #res: UwsResponse;
  readonly #owner: BodyOwner;
  readonly #limits: BodyLimits;
  readonly #timer: Timer;
  readonly #startedAt = performance.now();
  readonly #pace: UploadPace | null;
  #phase: "receiving" | "discarding" | "gone" = "receiving";
  #isComplete = false;
  #receivedBytes = 0;
  /** The exchange wants no bytes. */
  #isPaused = false;
  /** The addon does not read. */
  #isStopped = false;
  #canStop = true;
  /** The response must not be disturbed by reading, whatever the exchange wants. */
  #isHeldBack = false;
  readonly #held: HeldBytes;
  /** A small chunk has been passed on in this turn: those behind it wait for its end. */
  #isGathering = false;
  #onLingered: (() => void) | null = null;
  /** Not a whole number, so that the object keeps its shape when the time is set. */
  #lingersUntil = Number.POSITIVE_INFINITY;

  /** Must run inside the request handler: bytes that arrive before `onData` is attached are lost. */
  constructor(res: UwsResponse, owner: BodyOwner, limits: BodyLimits, timers: Timers) {
    this.#res = res;
    this.#owner = owner;
    this.#limits = limits;
    this.#held = new HeldBytes(limits.held);
    this.#pace = limits.minBytesPerSecond === 0 ? null : new UploadPace(limits.minBytesPerSecond, this.#startedAt);
    this.#timer = timers.create(() => this.#tick());
    res.onData((chunk, isLast) => this.#onData(chunk, isLast));
    teachResume(res, limits);
    this.#armTimer();
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** After a response write, which may have made the addon read again. */
  keepStopped(): void {
    if (this.#isStopped) this.#res.pause();
  }

  /** The request was refused: its body is read and forgotten. */
  discard(): void {
    this.#timer.cancel();
    this.#phase = "discarding";
    this.#held.clear();
  }

  pause(): void {
    this.#isPaused = true;
    this.#pace?.pause(performance.now());
    this.#stop();
  }

  resume(): void {
    this.#isPaused = false;
    this.#pace?.resume(performance.now());
    if (!this.#tryDeliverHeld()) return;
    if (!this.#isPaused) this.#unstop();
  }

  /** See rule 9 of response-writer.ts. */
  holdBack(isHeldBack: boolean): void {
    if (this.#isHeldBack === isHeldBack) return;
    this.#isHeldBack = isHeldBack;
    if (isHeldBack) this.#stop();
    else if (!this.#isPaused) this.#unstop();
  }

  /** Called before the last response byte. */
  onResponseEnding(): void {
    this.#canStop = false;
    this.#isHeldBack = false;
    this.#unstop();
  }

  /** Calls back once the body has ended or has had its time. The response must have been written. */
  linger(done: () => void): void {
    this.discard();
    if (this.#isComplete) return done();
    this.#onLingered = done;
    this.#lingersUntil = performance.now() + (this.#owner.mustClose ? REFUSED_LINGER_MS : MAX_LINGER_MS);
    this.#timer.arm(SILENT_LINGER_MS);
  }

  #lingerOn(isOver: boolean): void {
    const done = this.#onLingered;
    if (done === null) return;
    const leftMs = this.#lingersUntil - performance.now();
    if (!isOver && leftMs > 0) return this.#timer.arm(Math.min(SILENT_LINGER_MS, leftMs));
    this.#onLingered = null;
    this.#timer.cancel();
    done();
  }

  /** The response ends before the upload: nothing more is read, so that the addon's idle timer closes the connection. */
  freeze(): void {
    this.#res.pause();
  }

  /** The response object is dead, or is about to be. */
  detach(): void {
    this.#timer.cancel();
    this.#phase = "gone";
    this.#onLingered = null;
    this.#held.clear();
  }

  #onData(chunk: ArrayBuffer, isLast: boolean): void {
    this.#owner.enterCallback();
    try {
      this.#take(chunk, isLast);
    } catch (error) {
      this.#owner.crash(error);
    }
    this.#owner.leaveCallback();
  }

  #take(chunk: ArrayBuffer, isLast: boolean): void {
    this.#isComplete = isLast;
    if (this.#phase !== "receiving") {
      this.#lingerOn(isLast);
      return;
    }
    if (isLast) {
      this.#timer.cancel();
      this.#isHeldBack = false;
      this.#unstop(); // nothing is left to stop
    }
    this.#receivedBytes += chunk.byteLength;
    if (this.#limits.maxBytes > 0 && this.#receivedBytes > this.#limits.maxBytes) {
      this.#fail("body-too-large", `the body exceeds ${this.#limits.maxBytes} bytes`);
      return;
    }
    if (chunk.byteLength === 0 && !isLast) return;
    const bytes = new Uint8Array(chunk);
    if (this.#isPaused || this.#isGathering || !this.#held.isEmpty) this.#hold(bytes);
    else this.#pass(bytes);
  }

  #pass(bytes: Uint8Array): void {
    if (bytes.length < SMALL_PIECE_BYTES && !this.#isComplete) {
      this.#isGathering = true;
      setImmediate(stopGathering, this);
    }
    this.#owner.handler?.onBody(bytes, this.#isComplete);
  }

  #hold(bytes: Uint8Array): void {
    this.#held.push(bytes);
    if (this.#isPaused) this.#stop();
    else if (this.#isComplete || this.#held.bytes >= MAX_GATHERED_BYTES) this.#deliverHeld();
    if (this.#phase === "receiving" && this.#held.isOverBudget) this.#fail("overloaded", "the service does not take the request body");
  }

  /** @internal */
  stopGathering(): void {
    this.#isGathering = false;
    this.#tryDeliverHeld();
  }

  #tryDeliverHeld(): boolean {
    try {
      this.#deliverHeld();
      return true;
    } catch (error) {
      this.#owner.crash(error);
      return false;
    }
  }

  #deliverHeld(): void {
    while (!this.#held.isEmpty && !this.#isPaused && this.#phase === "receiving") {
      const chunk = this.#held.shift();
      this.#owner.handler?.onBody(chunk, this.#isComplete && this.#held.isEmpty);
    }
  }

  #stop(): void {
    if (!this.#canStop || this.#isComplete || this.#phase !== "receiving") return;
    this.#isStopped = true;
    this.#res.pause(); // not only the first time: a response write may have undone it
    this.#owner.onBodyTurned();
  }

  #unstop(): void {
    if (!this.#isStopped || this.#isHeldBack || this.#phase === "gone") return;
    this.#isStopped = false;
    this.#res.resume();
    this.#owner.onBodyTurned();
    // Resuming has set the addon's timer, which only the last chunk would have switched off.
    if (this.#isComplete && this.#phase === "receiving") this.#timer.arm(REARM_MS);
  }

  #fail(code: ErrorCode, detail: string): void {
    this.discard();
    this.#owner.mustClose = true;
    this.#owner.handler?.onBodyError(code, detail);
  }

  #armTimer(): void {
    const { requestMs } = this.#limits;
    const leftMs = requestMs === 0 ? REARM_MS : requestMs - (performance.now() - this.#startedAt);
    const paceMs = this.#pace === null ? REARM_MS : Math.max(MIN_LOOK_MS, this.#pace.patienceMs);
    this.#timer.arm(Math.max(0, Math.min(REARM_MS, leftMs, paceMs)));
  }

  #tick(): void {
    if (this.#phase === "gone") return;
    try {
      if (this.#onLingered !== null) this.#lingerOn(true);
      else if (this.#phase === "receiving") this.#watch();
    } catch (error) {
      this.#owner.crash(error);
    }
  }

  #watch(): void {
    if (this.#isComplete) {
      this.#rearm();
      this.#timer.arm(REARM_MS);
      return;
    }
    const { requestMs, minBytesPerSecond } = this.#limits;
    const nowMs = performance.now();
    if (requestMs > 0 && nowMs - this.#startedAt >= requestMs) {
      this.#fail("request-timeout", `the body did not arrive within ${requestMs} ms`);
      return;
    }
    if (this.#pace?.isTooSlow(nowMs, this.#receivedBytes) === true) {
      this.#fail("request-timeout", `the body arrives at less than ${minBytesPerSecond} bytes per second`);
      return;
    }
    if (!this.#isStopped) this.#rearm();
    else if (this.#held.bytes <= MAX_HELD_TO_LOOK_BYTES && !this.#isHeldBack)
      this.#unstop(); // what arrives is held, and stops it again
    else if (isReset(this.#res)) return this.#owner.onReset();
    this.#armTimer();
  }

  /** While response bytes wait, their writer does that. */
  #rearm(): void {
    if (this.#owner.isBlocked) return;
    rearmTimer(this.#res);
  }
}

/**
 * What `resume` makes the addon poll for is what it polled for at the last `pause` of any connection, remembered apart for
 * those with and without buffered response bytes. The first body pauses once without any, or a body that is stopped with
 * them and resumed without would poll for nothing.
 */
function teachResume(res: UwsResponse, limits: BodyLimits): void {
  if (limits.hasTaughtResume) return;
  limits.hasTaughtResume = true;
  rearmTimer(res);
}

/** Sets the addon's timer anew. In one turn, so that what is polled for stays the same; not while a body is stopped. */
export function rearmTimer(res: UwsResponse): void {
  res.pause();
  res.resume();
}

/** A client that leaves without having read its response resets the connection, which then has no peer any more. */
function isReset(res: UwsResponse): boolean {
  return res.getRemoteAddress().byteLength === 0;
}

function stopGathering(body: RequestBody): void {
  body.stopGathering();
}
