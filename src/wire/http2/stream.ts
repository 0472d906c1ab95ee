/**
 * One stream: its halves, its windows and what its head announced. One small object of fixed shape; only the codec writes
 * its fields, except `owner`.
 */

import type { GrowingWindow } from "./growing-window.js";
import { DEFAULT_URGENCY } from "./priority-field.js";

/** A received head without content-length. */
export const UNKNOWN_LENGTH = -1;

export class Http2Stream {
  readonly id: number;
  /** Whatever the owner wants to find again in events. */
  owner: object | null = null;

  /** No call about the stream has an effect any more, no event will come. */
  isClosed = false;
  /** The peer's message is complete. */
  isReceiveEnded = false;
  /** Ours is. */
  isSendEnded = false;
  /** Our final head (request or response) is in the output. */
  isHeadSent = false;
  /** Data was offered that windows or output room did not allow: `onWritable` will come. */
  isBlocked = false;

  /** The peer's final head has come. */
  hasHead = false;
  /** The owner got no usable head (431): the body is counted and thrown away. */
  isDiscarding = false;
  /** What content-length said; `UNKNOWN_LENGTH`. */
  expectedBytes = UNKNOWN_LENGTH;
  /** Data of the peer, without padding. */
  receivedBytes = 0;
  /** Client: the answer has no body, whatever it says (HEAD). */
  isHeadRequest = false;
  /** Client: a CONNECT; a successful answer has no length. */
  isTunnel = false;
  /** Client: nor has it by its status (204, 304). */
  hasNoBody = false;
  interimCount = 0;

  /** What we may still send; negative after a smaller INITIAL_WINDOW_SIZE (RFC 9113 §6.9.2). */
  sendWindow: number;
  /** Data of ours that went into the output; with `isBlocked`, a stall can be seen. */
  sentBytes = 0;
  /** What the peer may still send. */
  receiveWindow: number;
  /** Received, but not consumed by the owner yet. */
  unconsumedBytes = 0;
  /** Frames of a few bytes among them. */
  unreadTinyFrames = 0;
  /** Consumed, but not given back to the peer yet. */
  creditBytes = 0;
  /** How large its window for the peer is to be; null until it has been renewed once. */
  receiveSize: GrowingWindow | null = null;

  /** Of what we send (RFC 9218), 0 to 7. */
  urgency = DEFAULT_URGENCY;
  /** The peer has said that it wants it whole, before those that come after it. */
  isSequential = false;
  /** The next stream in the queue of those that want to send. */
  next: Http2Stream | null = null;
  /** In that queue. A blocked stream that is not has to wait for its window. */
  isQueued = false;

  constructor(id: number, sendWindow: number, receiveWindow: number) {
    this.id = id;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }
}
