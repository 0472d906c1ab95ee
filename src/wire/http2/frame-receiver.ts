/** What each frame means in each state of its stream and of the connection (RFC 9113 §5.1, §6). */
import type { ConnectionState } from "./connection-state.js";
import { DataReceiver } from "./data-receiver.js";
import { ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, PROTOCOL_ERROR, REFUSED_STREAM } from "./error-codes.js";
import type { FrameSink } from "./frame-reader.js";
import { checkFrame } from "./frame-rules.js";
import type { FrameHeader } from "./frame-types.js";
import * as frame from "./frame-types.js";
import { HeadReceiver } from "./head-receiver.js";
import { hasTooManySettings } from "./peer-settings.js";

/** What our PINGs carry. One is under way at a time, so it need not change. */
export const PING_PAYLOAD = Uint8Array.from("windrose", (char) => char.charCodeAt(0));

export class FrameReceiver implements FrameSink {
  readonly #state: ConnectionState;
  readonly #data: DataReceiver;
  readonly #heads: HeadReceiver;
  #isFirst = true;

  constructor(state: ConnectionState) {
    this.#state = state;
    this.#data = new DataReceiver(state);
    this.#heads = new HeadReceiver(state);
  }

  onFrameHeader(header: FrameHeader): boolean {
    const { flags, type } = header;
    if (type !== frame.DATA) this.#data.flush();
    if (this.#isFirst && (type !== frame.SETTINGS || (flags & frame.ACK) !== 0)) this.#refuseProtocol("settings-not-first");
    this.#isFirst = false;
    this.#checkSequence(header);
    const refusal = checkFrame(header);
    if (refusal !== null) this.#state.refuse(refusal.errorCode, refusal.reason);
    if (this.#state.refusal !== null) return false;
    if (type === frame.DATA) this.#data.begin(header);
    else if (type > frame.CONTINUATION && type !== frame.PRIORITY_UPDATE) this.#state.spend("unknown-frames");
    return this.#canGoOn();
  }

  /** The end of a read. */
  readEnds(): void {
    this.#data.flush();
  }

  onDataPiece(bytes: Uint8Array, start: number, end: number, isLast: boolean): boolean {
    this.#data.piece(bytes, start, end, isLast);
    return this.#canGoOn();
  }

  onFrame(header: FrameHeader, bytes: Uint8Array, start: number, end: number): boolean {
    switch (header.type) {
      case frame.HEADERS:
        this.#heads.headers(header, bytes, start, end);
        break;
      case frame.CONTINUATION:
        this.#heads.continuation(header, bytes, start, end);
        break;
      case frame.PRIORITY:
        this.#priority(header, readDependency(bytes, start));
        break;
      case frame.RST_STREAM:
        this.#reset(header, frame.readUint32(bytes, start));
        break;
      case frame.SETTINGS:
        this.#settings(header, bytes, start, end);
        break;
      case frame.PING:
        this.#ping(header, bytes, start);
        break;
      case frame.GOAWAY:
        this.#goAway(frame.readUint31(bytes, start), frame.readUint32(bytes, start + 4));
        break;
      case frame.WINDOW_UPDATE:
        this.#windowUpdate(header, frame.readUint31(bytes, start));
        break;
      case frame.PRIORITY_UPDATE:
        if (this.#state.spend("priority-flood")) this.#state.priorities.update(bytes, start, end);
    }
    return this.#canGoOn();
  }

  /** A peer that makes us write and does not read ends here, whatever else its frames were. */
  #canGoOn(): boolean {
    const { limits, output } = this.#state;
    if (output.pendingBytes > limits.maxPendingBytes) this.#state.refuse(ENHANCE_YOUR_CALM, "unread-output");
    return this.#state.refusal === null;
  }

  /** §6.10: nothing may come between the frames of one block. */
  #checkSequence({ streamId, type }: FrameHeader): void {
    const expected = this.#heads.continuationId;
    if (expected === 0) {
      if (type === frame.CONTINUATION) this.#refuseProtocol("unexpected-continuation");
    } else if (type !== frame.CONTINUATION || streamId !== expected) this.#refuseProtocol("expected-continuation");
  }

  #refuseProtocol(
    reason: "settings-not-first" | "unexpected-continuation" | "expected-continuation" | "self-dependency" | "idle-stream",
  ): void {
    this.#state.refuse(PROTOCOL_ERROR, reason);
  }

  /** Dependencies are not honoured (RFC 9218 took their place), but what nobody can mean is refused as it always was. */
  #priority({ streamId }: FrameHeader, dependency: number): void {
    if (!this.#state.spend("priority-flood") || dependency !== streamId) return;
    const stream = this.#state.streams.get(streamId);
    if (stream === undefined) this.#refuseProtocol("self-dependency");
    else this.#state.breakOff(stream, PROTOCOL_ERROR, "stream-self-dependency");
  }

  #reset({ streamId }: FrameHeader, errorCode: number): void {
    const { events, isServer, streams } = this.#state;
    const stream = streams.get(streamId);
    if (stream === undefined) return this.#lateReset(streamId);
    this.#state.endedByPeer(stream);
    if (isServer && !stream.isSendEnded) this.#state.spend("rapid-reset");
    events.onReset(stream, errorCode, null);
  }

  #lateReset(streamId: number): void {
    if (this.#state.streams.absence(streamId) === "idle") this.#refuseProtocol("idle-stream");
    else if (this.#state.spend("late-frames")) this.#state.streams.endedByPeer(streamId);
  }

  #settings({ flags }: FrameHeader, bytes: Uint8Array, start: number, end: number): void {
    if (!this.#state.spend("settings-flood")) return;
    if ((flags & frame.ACK) !== 0) return this.#heads.acknowledgeLimit();
    if (hasTooManySettings(end - start)) return this.#state.refuse(ENHANCE_YOUR_CALM, "too-many-settings");
    const { encoder, events, peer, writer } = this.#state;
    const windowBytes = peer.initialWindowBytes;
    const errorCode = peer.apply(bytes, start, end);
    if (errorCode !== null) return this.#state.refuse(errorCode, "bad-setting");
    if (!this.#growStreams(peer.initialWindowBytes - windowBytes)) return;
    encoder.setPeerTableBytes(peer.headerTableBytes);
    writer.settingsAck();
    events.onSettings();
  }

  /** §6.9.2: a new initial window moves that of every stream, below zero if need be. */
  #growStreams(bytes: number): boolean {
    if (bytes === 0) return true;
    for (const stream of this.#state.streams.all()) {
      if (!this.#state.sendWindows.growStream(stream, bytes)) this.#state.refuse(FLOW_CONTROL_ERROR, "window-overflow");
    }
    return this.#state.refusal === null;
  }

  #ping({ flags }: FrameHeader, bytes: Uint8Array, start: number): void {
    if (!this.#state.spend("ping-flood")) return;
    if ((flags & frame.ACK) === 0) this.#state.writer.ping(frame.ACK, bytes, start);
    else if (this.#state.receiveWindows.pingAnswered(bytes, start)) return;
    else if (this.#state.isPinging && PING_PAYLOAD.every((byte, index) => bytes[start + index] === byte)) {
      this.#state.isPinging = false;
      this.#state.events.onPingAck();
    }
  }

  #goAway(lastStreamId: number, errorCode: number): void {
    if (!this.#state.spend("settings-flood")) return;
    if (lastStreamId > this.#state.peerLastId) return this.#state.refuse(PROTOCOL_ERROR, "go-away-increased");
    this.#state.peerLastId = lastStreamId;
    this.#state.hasReceivedGoAway = true;
    if (!this.#state.isServer) this.#dropUnprocessed(lastStreamId);
    this.#state.events.onGoAway(lastStreamId, errorCode);
  }

  /** §6.8: the peer has not touched them and never will. */
  #dropUnprocessed(lastStreamId: number): void {
    for (const stream of [...this.#state.streams.all()]) {
      if (stream.id <= lastStreamId || stream.isClosed) continue;
      this.#state.endedByPeer(stream);
      this.#state.events.onReset(stream, REFUSED_STREAM, null);
    }
  }

  #windowUpdate({ streamId }: FrameHeader, increment: number): void {
    if (!this.#state.spend("window-update-flood")) return;
    if (streamId === 0) return this.#growConnection(increment);
    const { sendWindows, streams } = this.#state;
    const stream = streams.get(streamId);
    if (stream === undefined) {
      if (streams.absence(streamId) === "idle") this.#refuseProtocol("idle-stream");
    } else if (increment === 0) this.#state.breakOff(stream, PROTOCOL_ERROR, "stream-zero-window-update");
    else if (!sendWindows.growStream(stream, increment)) this.#state.breakOff(stream, FLOW_CONTROL_ERROR, "stream-window-overflow");
  }

  #growConnection(increment: number): void {
    if (increment === 0) this.#state.refuse(PROTOCOL_ERROR, "zero-window-update");
    else if (!this.#state.sendWindows.growConnection(increment)) this.#state.refuse(FLOW_CONTROL_ERROR, "window-overflow");
  }
}

/** Without the exclusive bit (§6.3). */
function readDependency(bytes: Uint8Array, start: number): number {
  return frame.readUint31(bytes, start);
}
