/** What the peer's SETTINGS say (RFC 9113 §6.5.2, RFC 8441 §3), with the values that hold until they come; and what ours say. */
import { FLOW_CONTROL_ERROR, PROTOCOL_ERROR } from "./error-codes.js";
import { INITIAL_WINDOW, MAX_WINDOW, readUint32 } from "./frame-types.js";
import type { Http2Limits } from "./limits.js";

const HEADER_TABLE_SIZE = 1;
const ENABLE_PUSH = 2;
const MAX_CONCURRENT_STREAMS = 3;
const INITIAL_WINDOW_SIZE = 4;
const MAX_FRAME_SIZE = 5;
const MAX_HEADER_LIST_SIZE = 6;
const ENABLE_CONNECT_PROTOCOL = 8;
/** RFC 9218 §2.1. */
const NO_RFC7540_PRIORITIES = 9;

const SETTING_BYTES = 6;
/** More than exist; each is applied, so that many would be work. */
const MAX_SETTINGS = 64;
const MIN_MAX_FRAME_SIZE = 16_384;
const MAX_MAX_FRAME_SIZE = 16_777_215;
/** Until the peer's limit is known; it may be no less than this without reason (§6.5.2). */
const ASSUMED_STREAMS = 100;

export interface PeerSettings {
  /** At most this much of HPACK's dynamic table may be used. */
  readonly headerTableBytes: number;
  readonly maxConcurrentStreams: number;
  readonly initialWindowBytes: number;
  /** What the peer is ready to take as a header list; advice, not enforced here. */
  readonly maxListBytes: number;
  /** RFC 8441. */
  readonly allowsExtendedConnect: boolean;
  /** False until its first SETTINGS frame. */
  readonly isKnown: boolean;
}

export class ReceivedSettings implements PeerSettings {
  headerTableBytes = 4096;
  maxConcurrentStreams = ASSUMED_STREAMS;
  initialWindowBytes = INITIAL_WINDOW;
  maxListBytes = Number.POSITIVE_INFINITY;
  allowsExtendedConnect = false;
  isKnown = false;
  readonly #mayPush: boolean;
  #noOldPriorities = 0;

  /** @param mayPush the peer is a client, which may say that it takes pushes */
  constructor(mayPush: boolean) {
    this.#mayPush = mayPush;
  }

  /** Takes the payload of a frame, in order. An error code, or null. */
  apply(bytes: Uint8Array, start: number, end: number): number | null {
    if (!this.isKnown) this.maxConcurrentStreams = Number.POSITIVE_INFINITY;
    for (let at = start; at < end; at += SETTING_BYTES) {
      const identifier = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
      const errorCode = this.#set(identifier, readUint32(bytes, at + 2));
      if (errorCode !== null) return errorCode;
    }
    this.isKnown = true;
    return null;
  }

  #set(identifier: number, value: number): number | null {
    switch (identifier) {
      case HEADER_TABLE_SIZE:
        this.headerTableBytes = value;
        return null;
      case ENABLE_PUSH:
        return value === 0 || (value === 1 && this.#mayPush) ? null : PROTOCOL_ERROR;
      case MAX_CONCURRENT_STREAMS:
        this.maxConcurrentStreams = value;
        return null;
      case INITIAL_WINDOW_SIZE:
        this.initialWindowBytes = value;
        return value <= MAX_WINDOW ? null : FLOW_CONTROL_ERROR;
      case MAX_FRAME_SIZE:
        return value >= MIN_MAX_FRAME_SIZE && value <= MAX_MAX_FRAME_SIZE ? null : PROTOCOL_ERROR;
      case MAX_HEADER_LIST_SIZE:
        this.maxListBytes = value;
        return null;
      case ENABLE_CONNECT_PROTOCOL:
        return this.#setExtendedConnect(value);
      case NO_RFC7540_PRIORITIES:
        return this.#setPriorities(value);
      default:
        return null;
    }
  }

  /** RFC 9218 §2.1: 0 or 1, and for good with the first SETTINGS. */
  #setPriorities(value: number): number | null {
    if (value > 1 || (this.isKnown && value !== this.#noOldPriorities)) return PROTOCOL_ERROR;
    this.#noOldPriorities = value;
    return null;
  }

  /** RFC 8441 §3: what was allowed cannot be taken back. */
  #setExtendedConnect(value: number): number | null {
    if (value > 1 || (value === 0 && this.allowsExtendedConnect)) return PROTOCOL_ERROR;
    this.allowsExtendedConnect = value === 1;
    return null;
  }
}

export function hasTooManySettings(payloadBytes: number): boolean {
  return payloadBytes > MAX_SETTINGS * SETTING_BYTES;
}

/** `[identifier, value, …]` for our SETTINGS frame. */
export function ownSettings(isServer: boolean, limits: Http2Limits): number[] {
  const shared = [
    ...[HEADER_TABLE_SIZE, limits.maxTableBytes],
    ...[INITIAL_WINDOW_SIZE, limits.streamWindowBytes],
    ...[MAX_HEADER_LIST_SIZE, limits.maxListBytes],
  ];
  if (!isServer) return [...shared, ENABLE_PUSH, 0];
  const connect = limits.allowsExtendedConnect ? [ENABLE_CONNECT_PROTOCOL, 1] : [];
  return [...shared, MAX_CONCURRENT_STREAMS, limits.maxConcurrentStreams, ...connect, NO_RFC7540_PRIORITIES, 1];
}
