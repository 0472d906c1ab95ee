/**
 * Writes one message part in one piece: text before, bytes, text after. A socket without TLS usually takes what it is
 * given at once, so one buffer serves all of them for large parts, and no memory is allocated per chunk; one that did
 * not take everything keeps the buffer, and the others get a new one. TLS reports when it is done a turn later: there,
 * buffers go round.
 */
import type { Socket } from "node:net";
import { Stock } from "../../wire/stock.js";

/** More than one large chunk: TLS reports what it was given as unsent until a later turn. */
const HIGH_WATER_BYTES = 131_072;
/** Below, memory comes from Node's pool anyway. */
const MIN_SHARED_BYTES = 4_096;

let shared = Buffer.allocUnsafeSlow(131_072);
/** A read from a service with its framing fits. */
const blocks = new Stock(81_920);

export class SocketWriter {
  /** So far. */
  writes = 0;
  readonly #socket: Socket;
  readonly #isTls: boolean;

  constructor(socket: Socket, isTls: boolean) {
    this.#socket = socket;
    this.#isTls = isTls;
  }

  /** Stop writing until the socket's `drain`. */
  get isFull(): boolean {
    return this.#socket.writableLength >= HIGH_WATER_BYTES;
  }

  /** `pieces` are borrowed; the texts are latin1. */
  write(before: string, pieces: readonly Uint8Array[], after: string): void {
    this.writes++;
    if (pieces.length === 0) {
      this.#socket.write(before + after, "latin1");
      return;
    }
    let bytes = before.length + after.length;
    for (const piece of pieces) bytes += piece.length;
    if (this.#canShare(bytes)) this.#writeShared(bytes, before, pieces, after);
    else if (bytes >= MIN_SHARED_BYTES && bytes <= blocks.blockBytes) this.#writeBlock(bytes, before, pieces, after);
    else this.#socket.write(fill(Buffer.allocUnsafe(bytes), before, pieces, after));
  }

  #canShare(bytes: number): boolean {
    return !this.#isTls && bytes >= MIN_SHARED_BYTES && bytes <= shared.length && this.#socket.writableLength === 0;
  }

  #writeBlock(bytes: number, before: string, pieces: readonly Uint8Array[], after: string): void {
    const { buffer } = blocks.take();
    const part = fill(Buffer.from(buffer, 0, bytes), before, pieces, after);
    this.#socket.write(part, () => blocks.giveBack(part));
  }

  #writeShared(bytes: number, before: string, pieces: readonly Uint8Array[], after: string): void {
    this.#socket.write(fill(shared.subarray(0, bytes), before, pieces, after));
    if (this.#socket.writableLength > 0) shared = Buffer.allocUnsafeSlow(shared.length);
  }
}

function fill(target: Buffer, before: string, pieces: readonly Uint8Array[], after: string): Buffer {
  if (before !== "") target.write(before, 0, "latin1");
  let at = before.length;
  for (const piece of pieces) {
    target.set(piece, at);
    at += piece.length;
  }
  if (after !== "") target.write(after, at, "latin1");
  return target;
}
