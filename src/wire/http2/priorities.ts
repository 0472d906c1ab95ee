/**
 * What clients say about the order of answers (RFC 9218): the `priority` field of a request, and PRIORITY_UPDATE, which overrides it
 * and may come before the request. Costs nothing until one of them comes. What is malformed is ignored: priorities are advice.
 */
import type { ConnectionState } from "./connection-state.js";
import { PROTOCOL_ERROR } from "./error-codes.js";
import { readUint31 } from "./frame-types.js";
import { type Priority, parsePriority } from "./priority-field.js";
import type { Http2Stream } from "./stream.js";

const STREAM_ID_BYTES = 4;
/** No longer value is read. */
const MAX_VALUE_BYTES = 257;

export class Priorities {
  readonly #state: ConnectionState;
  /** Of streams that have not been opened yet. */
  #early: Map<number, Priority> | null = null;

  constructor(state: ConnectionState) {
    this.#state = state;
  }

  /** A request has come. @param field null: without one */
  opened(stream: Http2Stream, field: string | null): void {
    const early = this.#early?.get(stream.id);
    if (early !== undefined) this.#early?.delete(stream.id);
    const priority = early ?? (field === null ? null : parsePriority(field));
    if (priority !== null) this.#apply(stream, priority);
  }

  /** PRIORITY_UPDATE (§7.1). Servers alone may get it, and only for streams that clients open. */
  update(bytes: Uint8Array, start: number, end: number): void {
    const { isServer, streams } = this.#state;
    const streamId = readUint31(bytes, start);
    if (!isServer || streamId % 2 === 0) return this.#state.refuse(PROTOCOL_ERROR, "bad-priority-update");
    const stream = streams.get(streamId);
    if (stream === undefined && streamId <= streams.lastId) return;
    const priority = parsePriority(ascii(bytes, start + STREAM_ID_BYTES, end));
    if (stream === undefined) this.#keep(streamId, priority);
    else if (priority !== null) this.#apply(stream, priority);
  }

  /** §7.1: together with the open streams they may not be more than could be open. */
  #keep(streamId: number, priority: Priority | null): void {
    const { limits, streams } = this.#state;
    if (priority === null) return;
    this.#early ??= new Map();
    const early = this.#early;
    if (!early.has(streamId)) {
      for (const id of early.keys()) if (id <= streams.lastId) early.delete(id);
      if (early.size + streams.size >= limits.maxConcurrentStreams) return this.#state.refuse(PROTOCOL_ERROR, "bad-priority-update");
    }
    early.set(streamId, priority);
  }

  #apply(stream: Http2Stream, { urgency, isIncremental }: Priority): void {
    this.#state.sendWindows.prioritize(stream, urgency, !isIncremental);
  }
}

/** Other bytes become something that no value may hold. */
function ascii(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(start, Math.min(end, start + MAX_VALUE_BYTES)));
}
