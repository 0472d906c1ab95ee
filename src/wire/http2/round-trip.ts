/** How long the peer takes to answer, by a PING of its own now and then while data flows. The shortest one counts: the rest is queues. */
import type { FrameWriter } from "./frame-writer.js";

/** Told from the owner's PINGs by it. */
const PAYLOAD = Uint8Array.from("wnd-size", (char) => char.charCodeAt(0));
const INTERVAL_MS = 10_000;

export class RoundTrip {
  /** NaN: not known. */
  ms = Number.NaN;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #isUnderWay = false;

  measure(nowMs: number, writer: FrameWriter): void {
    if (this.#isUnderWay || nowMs - this.#sentAtMs < INTERVAL_MS) return;
    this.#isUnderWay = true;
    this.#sentAtMs = nowMs;
    writer.ping(0, PAYLOAD, 0);
  }

  /** A PING was answered: was it ours? Its payload begins at `at`. */
  answered(payload: Uint8Array, at: number, nowMs: number): boolean {
    if (!this.#isUnderWay || !PAYLOAD.every((byte, index) => payload[at + index] === byte)) return false;
    this.#isUnderWay = false;
    const elapsedMs = nowMs - this.#sentAtMs;
    if (!(this.ms <= elapsedMs)) this.ms = elapsedMs;
    return true;
  }
}
