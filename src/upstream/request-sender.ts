/**
 * The request side of a connection: head and body of one request after another into the socket, framed exactly as
 * announced. A head is held back until the end of the turn, so that a body that follows it leaves in the same write.
 */
import type { Socket } from "node:net";
import { chunkSizeLine, LAST_CHUNK } from "../wire/http1/chunk-encoder.js";
import { type HeldWrite, writeAtTurnEnd } from "./turn-writes.js";

const HIGH_WATER_BYTES = 65_536;
/** Chunks from here on are copied into the shared buffer, this much at a time. */
const MIN_SHARED_BYTES = 8_192;
const MAX_PIECE_BYTES = 65_536;
/** Head and chunk framing around a piece. */
const MAX_AROUND_BYTES = 16_384;

/**
 * A socket without TLS usually takes what it is given at once, so one buffer serves all of them and no memory is allocated
 * per chunk. One that did not take everything keeps the buffer, and the others get a new one.
 */
let shared = Buffer.allocUnsafeSlow(2 * MAX_AROUND_BYTES + MAX_PIECE_BYTES);

export class RequestSender implements HeldWrite {
  /** The caller has written more or less than it announced: the connection is past saving. */
  isMisused = false;
  /** The whole request has been given to the socket. */
  isComplete = true;
  /** Of the request's body. */
  sentBytes = 0;
  readonly #socket: Socket;
  readonly #isTls: boolean;
  #heldHead = "";
  /** Body bytes still owed; meaningless when chunked. */
  #owed = 0;
  #isChunked = false;
  #wantsDrain = false;
  /** The service has stopped reading: what is left of the request goes nowhere. */
  #isAbandoned = false;

  /** @param isTls such a socket keeps what it is given until it is encrypted */
  constructor(socket: Socket, isTls: boolean) {
    this.#socket = socket;
    this.#isTls = isTls;
  }

  start(head: string, bodyLength: number): void {
    this.#wantsDrain = false;
    this.#isChunked = bodyLength < 0;
    this.#owed = bodyLength;
    this.sentBytes = 0;
    this.isComplete = bodyLength === 0;
    this.#heldHead = head;
    // Not a microtask: a listener delivers the body that came with a head in a callback of its own, in this same turn.
    writeAtTurnEnd(this);
  }

  /** Nothing of the request has left. */
  get isHeld(): boolean {
    return this.#heldHead !== "";
  }

  abandon(): void {
    this.#isAbandoned = true;
    this.#heldHead = "";
  }

  /** `chunk` is borrowed. False: wait for a drain. */
  write(chunk: Uint8Array): boolean {
    if (this.#isAbandoned) return true;
    if (chunk.length === 0) return !this.#wantsDrain;
    if (this.isComplete || (!this.#isChunked && chunk.length > this.#owed)) {
      this.isMisused = true;
      return false;
    }
    this.sentBytes += chunk.length;
    const head = this.#takeHead();
    if (this.#isChunked) this.#send(head + chunkSizeLine(chunk.length), chunk, "\r\n");
    else {
      this.#owed -= chunk.length;
      this.isComplete = this.#owed === 0;
      this.#send(head, chunk, "");
    }
    this.#wantsDrain = this.#socket.writableLength >= HIGH_WATER_BYTES;
    return !this.#wantsDrain;
  }

  end(): void {
    if (this.isComplete || this.#isAbandoned) return;
    if (!this.#isChunked) this.isMisused = true;
    else {
      this.isComplete = true;
      this.#socket.write(this.#takeHead() + LAST_CHUNK, "latin1");
    }
  }

  /** The socket has room. True when someone waits for that. */
  takeDrain(): boolean {
    const isWanted = this.#wantsDrain;
    this.#wantsDrain = false;
    return isWanted;
  }

  /** More of the body is not wanted yet. */
  get isFull(): boolean {
    return this.#wantsDrain;
  }

  /** Nothing of the request is left in this process. */
  get isDrained(): boolean {
    return this.isComplete && !this.#isAbandoned && !this.isHeld && this.#socket.writableLength === 0;
  }

  /** At the end of the turn: the head has been alone until now. */
  flush(): void {
    if (this.isHeld) this.#socket.write(this.#takeHead(), "latin1");
  }

  #takeHead(): string {
    const head = this.#heldHead;
    this.#heldHead = "";
    return head;
  }

  #send(before: string, chunk: Uint8Array, after: string): void {
    const isPlain = this.#isTls || chunk.length < MIN_SHARED_BYTES || before.length > MAX_AROUND_BYTES;
    if (isPlain) this.#socket.write(joined(before, chunk, after));
    else this.#sendPieces(before, chunk, after);
  }

  #sendPieces(before: string, chunk: Uint8Array, after: string): void {
    const socket = this.#socket;
    let lead = before;
    let at = 0;
    while (at < chunk.length && socket.writableLength === 0) {
      const end = Math.min(chunk.length, at + MAX_PIECE_BYTES);
      const bytes = fill(shared, lead, chunk.subarray(at, end), end === chunk.length ? after : "");
      socket.write(bytes);
      if (socket.writableLength > 0) shared = Buffer.allocUnsafeSlow(shared.length);
      lead = "";
      at = end;
    }
    // A full socket takes no more now: the rest waits in memory of its own.
    if (at < chunk.length) socket.write(joined(lead, chunk.subarray(at), after));
  }
}

function joined(before: string, chunk: Uint8Array, after: string): Buffer {
  return fill(Buffer.allocUnsafe(before.length + chunk.length + after.length), before, chunk, after);
}

/** The filled part of `bytes`. */
function fill(bytes: Buffer, before: string, chunk: Uint8Array, after: string): Buffer {
  if (before !== "") bytes.write(before, 0, "latin1");
  bytes.set(chunk, before.length);
  const end = before.length + chunk.length;
  if (after !== "") bytes.write(after, end, "latin1");
  return bytes.subarray(0, end + after.length);
}
