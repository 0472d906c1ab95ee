/**
 * The request side of a connection: head and body of one request after another into the socket, framed exactly as
 * announced. A head whose body follows is held back for a moment, so that both leave in one write.
 */
import type { Socket } from "node:net";
import { chunkSizeLine, LAST_CHUNK } from "../wire/http1/request-encoder.js";

/** Up to here, copying costs less than a vectored write. */
const MAX_COPIED_BYTES = 16_384;
const HIGH_WATER_BYTES = 65_536;

export class RequestSender {
  /** The caller has written more or less than it announced: the connection is past saving. */
  isMisused = false;
  /** The whole request has been given to the socket. */
  isComplete = true;
  readonly #socket: Socket;
  #heldHead = "";
  /** Body bytes still owed; meaningless when chunked. */
  #owed = 0;
  #isChunked = false;
  #wantsDrain = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  start(head: string, bodyLength: number): void {
    this.#wantsDrain = false;
    this.#isChunked = bodyLength < 0;
    this.#owed = bodyLength;
    this.isComplete = bodyLength === 0;
    if (bodyLength === 0) {
      this.#socket.write(head, "latin1");
      return;
    }
    this.#heldHead = head;
    // Not a microtask: a listener delivers the body that came with a head in a callback of its own, in this same turn.
    setImmediate(flushHead, this, head);
  }

  /** False: wait for a drain. */
  write(chunk: Uint8Array): boolean {
    if (chunk.length === 0) return !this.#wantsDrain;
    if (this.isComplete || (!this.#isChunked && chunk.length > this.#owed)) {
      this.isMisused = true;
      return false;
    }
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
    if (this.isComplete) return;
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

  /** Nothing of the request is left in this process. */
  get isDrained(): boolean {
    return this.isComplete && this.#socket.writableLength === 0;
  }

  /** `head`: the one that was held when this was asked for. */
  flush(head: string): void {
    if (this.#heldHead === head && head !== "") this.#socket.write(this.#takeHead(), "latin1");
  }

  #takeHead(): string {
    const head = this.#heldHead;
    this.#heldHead = "";
    return head;
  }

  #send(before: string, chunk: Uint8Array, after: string): void {
    const socket = this.#socket;
    if (before === "") socket.write(chunk);
    else if (chunk.length <= MAX_COPIED_BYTES) socket.write(joined(before, chunk, after));
    else {
      socket.cork();
      socket.write(before, "latin1");
      socket.write(chunk);
      if (after !== "") socket.write(after, "latin1");
      socket.uncork();
    }
  }
}

function flushHead(sender: RequestSender, head: string): void {
  sender.flush(head);
}

function joined(before: string, chunk: Uint8Array, after: string): Buffer {
  const bytes = Buffer.allocUnsafe(before.length + chunk.length + after.length);
  bytes.write(before, 0, "latin1");
  bytes.set(chunk, before.length);
  bytes.write(after, before.length + chunk.length, "latin1");
  return bytes;
}
