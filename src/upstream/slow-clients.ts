/**
 * What holds connections or streams to one target and may be waiting for its client: uploads that are not complete, and
 * answers whose client does not take them. They may have all places as long as nobody else wants one; when others wait,
 * a share of them, and what is beyond it can be cut off, the slowest first. Nothing of this costs a request that neither
 * uploads nor is read slowly.
 */
import { performance } from "node:perf_hooks";
import type { UpstreamTarget } from "../engine/model/endpoint.js";

/** A connection or a stream that carries an exchange. */
export interface ClientBound {
  /** `performance.now()` when its client stopped taking the answer. */
  readonly stoppedAtMs: number;
  /** Of the request's body, given to the service. */
  readonly uploadedBytes: number;
  /** When its upload was last judged, or began (`performance.now()`); what had been given then; and by how much it was late. */
  judgedAtMs: number;
  judgedBytes: number;
  behindMs: number;
  /** The service, not the client, is what the upload waits for at present. */
  readonly isHeldUpByService: boolean;
  /** Ends its exchange and gives its place back at once. */
  cutOff(detail: string): void;
}

/** A client that has taken nothing for so long may lose its answer. Healthy ones stop as well, but for a round trip or two. */
const READER_PATIENCE_MS = 1_000;
/** Each byte of an upload is due a millisecond after the one before; it may be late by so much. None of them counts ahead. */
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
    one.judgedAtMs = performance.now();
    one.judgedBytes = one.uploadedBytes;
    one.behindMs = 0;
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
    for (const one of this.#uploads) {
      judge(one, nowMs);
      if (one.behindMs > (slowest?.behindMs ?? UPLOAD_PATIENCE_MS) && !one.isHeldUpByService) slowest = one;
    }
    return slowest;
  }
}

/** Asked ten times a second while others wait: a fast start does not pay for a long silence then. */
function judge(one: ClientBound, nowMs: number): void {
  const { uploadedBytes } = one;
  const lateMs = one.isHeldUpByService ? 0 : nowMs - one.judgedAtMs;
  one.behindMs = Math.max(0, one.behindMs + lateMs - (uploadedBytes - one.judgedBytes));
  one.judgedAtMs = nowMs;
  one.judgedBytes = uploadedBytes;
}

/** How many of `places` may wait for their clients when others want one; the last one is nobody's privilege. */
export function shareOf(places: number, percent: number): number {
  return Math.max(1, Math.floor((places * percent) / 100));
}

export function noPlaceForUpload({ maxSlowClientPercent }: UpstreamTarget): string {
  return `all of the ${maxSlowClientPercent} % of the places that uploads may have are in use`;
}
