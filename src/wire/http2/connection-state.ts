/**
 * What the two directions of a connection share: its streams, its output, its settings, its budgets, and how it and its streams
 * end. `frame-receiver.ts` and `sender.ts` work on it.
 */
import { HpackEncoder } from "../hpack/encoder.js";
import { ENHANCE_YOUR_CALM, NO_ERROR } from "./error-codes.js";
import type { Http2Events } from "./events.js";
import type { FloodKind } from "./flood-budgets.js";
import { FloodBudgets } from "./flood-budgets.js";
import { MAX_WINDOW } from "./frame-types.js";
import { FrameWriter } from "./frame-writer.js";
import type { Http2Limits } from "./limits.js";
import { OutputBuffer } from "./output-buffer.js";
import { ReceivedSettings } from "./peer-settings.js";
import { Priorities } from "./priorities.js";
import { ReceiveWindows } from "./receive-windows.js";
import type { Http2Refusal, RefusalReason, StreamRefusal } from "./refusal.js";
import { SendWindows } from "./send-windows.js";
import type { Http2Stream } from "./stream.js";
import { StreamTable } from "./stream-table.js";

export class ConnectionState {
  readonly isServer: boolean;
  readonly limits: Http2Limits;
  readonly events: Http2Events;
  readonly output = new OutputBuffer();
  readonly writer = new FrameWriter(this.output);
  readonly encoder = new HpackEncoder();
  readonly streams = new StreamTable();
  readonly peer: ReceivedSettings;
  readonly budgets: FloodBudgets;
  readonly receiveWindows: ReceiveWindows;
  readonly sendWindows = new SendWindows();
  readonly priorities = new Priorities(this);
  refusal: Http2Refusal | null = null;
  /** Streams above it are none of ours: our GOAWAY said so. */
  lastAcceptedId = MAX_WINDOW;
  hasSentGoAway = false;
  /** The same in the peer's GOAWAY; it may only fall. */
  peerLastId = MAX_WINDOW;
  hasReceivedGoAway = false;
  /** An answer to our PING is due. */
  isPinging = false;

  constructor(isServer: boolean, limits: Http2Limits, events: Http2Events) {
    this.isServer = isServer;
    this.limits = limits;
    this.events = events;
    this.peer = new ReceivedSettings(isServer);
    this.budgets = new FloodBudgets(limits.floods);
    this.receiveWindows = new ReceiveWindows(limits, this.writer);
  }

  /** The end of the connection, once. The reason goes along as debug data: the other operator will want to know. */
  refuse(errorCode: number, reason: RefusalReason): void {
    if (this.refusal !== null) return;
    this.refusal = { errorCode, reason };
    this.goAway(this.isServer ? Math.min(this.streams.lastId, this.lastAcceptedId) : 0, errorCode, reason);
  }

  goAway(lastId: number, errorCode: number, debugText: string): void {
    this.hasSentGoAway = true;
    this.lastAcceptedId = Math.min(this.lastAcceptedId, lastId);
    this.writer.goAway(this.lastAcceptedId, errorCode, debugText);
  }

  /** False: the connection is refused. */
  spend(kind: FloodKind): boolean {
    if (!this.budgets.spend(kind)) this.refuse(ENHANCE_YOUR_CALM, kind);
    return this.refusal === null;
  }

  /** Our half of the stream is complete. */
  endSend(stream: Http2Stream): void {
    stream.isSendEnded = true;
    this.budgets.exchangeDone();
    this.closeIfDone(stream);
  }

  closeIfDone(stream: Http2Stream): void {
    if (stream.isSendEnded && stream.isReceiveEnded && !stream.isClosed) this.streams.close(stream, false);
  }

  /** Ends the stream in both directions, without an event. */
  cutOff(stream: Http2Stream, errorCode: number): void {
    if (stream.isClosed) return;
    this.writer.reset(stream.id, errorCode);
    this.#forget(stream, !stream.isReceiveEnded);
    // A client's exchange that was answered in full before its upload was: the request is done, too.
    if (errorCode === NO_ERROR) this.budgets.exchangeDone();
  }

  /** The peer has broken a rule of the stream. */
  breakOff(stream: Http2Stream, errorCode: number, reason: StreamRefusal): void {
    if (stream.isClosed) return;
    this.cutOff(stream, errorCode);
    this.spend("provoked-reset");
    this.events.onReset(stream, errorCode, reason);
  }

  /** The peer has ended the stream in both directions. */
  endedByPeer(stream: Http2Stream): void {
    this.#forget(stream, false);
  }

  #forget(stream: Http2Stream, wasCutOff: boolean): void {
    this.streams.close(stream, wasCutOff);
    this.sendWindows.forget(stream);
    this.receiveWindows.forget(stream);
  }
}
