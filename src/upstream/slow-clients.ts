/**
 * What holds connections or streams to one target and may be waiting for its client: uploads that are not complete, and
 * answers whose client does not take them. They may have all places as long as nobody else wants one; when others wait,
 * a share of them, and what is beyond it can be cut off, the slowest first. Nothing of this costs a request that neither
 * uploads nor is read slowly.
 */
import { performance } from "node:perf_hooks";

/** A connection or a stream that carries an exchange. */
export interface ClientBound {
  /** `performance.now()` when its client stopped taking the answer. */
  readonly stoppedAtMs: number;
  /** `performance.now()` when its upload began. */
  readonly uploadingSinceMs: number;
  /** Of the request's body, given to the service. */
  readonly uploadedBytes: number;
  /** The service, not the client, is what the upload waits for at present. */
  readonly isHeldUpByService: boolean;
  /** Ends its exchange and gives its place back at once. */
  cutOff(detail: string): void;
}

/** A client that has taken nothing for so long may lose its answer. Healthy ones stop as well, but for a round trip or two. */
const READER_PATIENCE_MS = 1_000;
/** An upload has so long, and a millisecond more for each byte. */
const UPLOAD_PATIENCE_MS = 2_000;

export class SlowClients {
  readonly #uploads = new Set<ClientBound>();
  /** The one that stopped first is first. */
  readonly #stopped = new Set<ClientBound>();

  get uploads(): number {
    return this.#uploads.size;
  }

  get count(): number {
    return this.#uploads.size + this.#stopped.size;
  }

  uploadStarted(one: ClientBound): void {
    this.#uploads.add(one);
  }

  uploadEnded(one: ClientBound): void {
    this.#uploads.delete(one);
  }

  readerStopped(one: ClientBound): void {
    this.#stopped.add(one);
  }

  readerWentOn(one: ClientBound): void {
    this.#stopped.delete(one);
  }

  left(one: ClientBound): void {
    this.#uploads.delete(one);
    this.#stopped.delete(one);
  }

  /** False: none is slow enough. */
  cutAny(): boolean {
    return this.#cutReader() || this.cutUpload();
  }

  /** False: none is slow enough. */
  cutUpload(): boolean {
    const slowest = this.#slowestUpload();
    if (slowest === null) return false;
    this.#uploads.delete(slowest);
    slowest.cutOff(`the body arrived slowly (${slowest.uploadedBytes} bytes so far) while others waited for the service`);
    return true;
  }

  #cutReader(): boolean {
    const [longest] = this.#stopped;
    if (longest === undefined) return false;
    const stoppedMs = performance.now() - longest.stoppedAtMs;
    if (stoppedMs < READER_PATIENCE_MS) return false;
    this.#stopped.delete(longest);
    longest.cutOff(`the client took nothing for ${Math.round(stoppedMs)} ms while others waited for the service`);
    return true;
  }

  #slowestUpload(): ClientBound | null {
    const nowMs = performance.now();
    let slowest: ClientBound | null = null;
    let worstMs = UPLOAD_PATIENCE_MS;
    for (const one of this.#uploads) {
      const behindMs = nowMs - one.uploadingSinceMs - one.uploadedBytes;
      if (behindMs <= worstMs || one.isHeldUpByService) continue;
      worstMs = behindMs;
      slowest = one;
    }
    return slowest;
  }
}

/** How many of `places` may wait for their clients when others want one; the last one is nobody's privilege. */
export function shareOf(places: number, percent: number): number {
  return Math.max(1, Math.floor((places * percent) / 100));
}
