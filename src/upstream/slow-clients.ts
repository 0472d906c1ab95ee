/**
 * What holds connections or streams to one target and may be waiting for its client: uploads that are not complete, and
 * answers whose client does not take them. They may have all places as long as nobody else wants one; when others wait,
 * a share of them, and what is beyond it can be cut off, the slowest first. Nothing of this costs a request that neither
 * uploads nor is read slowly.
 */
import { performance } from "node:perf_hooks";
import type { UpstreamTarget } from "../engine/model/endpoint.js";

/** A connection or a stream that carries an exchange. */
export interface PlaceHolder {
  /** Of the request's body, given to the service. */
  readonly uploadedBytes: number;
  /** The service, not the client, is what the upload waits for at present. */
  readonly isHeldUpByService: boolean;
  /** Ends its exchange and gives its place back at once. */
  cutOff(detail: string): void;
}

/** A client that has taken nothing for so long may lose its answer. Healthy ones stop as well, but for a round trip or two. */
const READER_PATIENCE_MS = 1_000;
/** Each byte of an upload is due a millisecond after the one before; it may be late by so much. None of them counts ahead. */
const UPLOAD_PATIENCE_MS = 2_000;

/** What a connection or a stream tells of its client. Not whole numbers, so that the object keeps its shape when a time is set. */
export class ClientPlace {
  /** `performance.now()` when the client stopped taking the answer. */
  stoppedAtMs = Number.NaN;
  /** When the upload was last judged, or began; what had been given then; and by how much it was late. */
  judgedAtMs = Number.NaN;
  judgedBytes = 0;
  behindMs = Number.NaN;
  readonly holder: PlaceHolder;
  readonly #all: SlowClients;
  #isUploading = false;
  #isStopped = false;

  constructor(all: SlowClients, holder: PlaceHolder) {
    this.#all = all;
    this.holder = holder;
  }

  startUpload(): void {
    this.#isUploading = true;
    this.judgedAtMs = performance.now();
    this.judgedBytes = this.holder.uploadedBytes;
    this.behindMs = 0;
    this.#all.uploading.add(this);
  }

  endUpload(): void {
    if (!this.#isUploading) return;
    this.#isUploading = false;
    this.#all.uploading.delete(this);
    this.#all.onUploadEnded();
  }

  stopReading(): void {
    this.#isStopped = true;
    this.stoppedAtMs = performance.now();
    this.#all.stopped.add(this);
  }

  readOn(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#all.stopped.delete(this);
  }

  leave(): void {
    this.endUpload();
    this.readOn();
  }
}

export class SlowClients {
  readonly uploading = new Set<ClientPlace>();
  /** The one that stopped first is first. */
  readonly stopped = new Set<ClientPlace>();
  readonly onUploadEnded: () => void;

  constructor(onUploadEnded: () => void) {
    this.onUploadEnded = onUploadEnded;
  }

  get uploads(): number {
    return this.uploading.size;
  }

  get count(): number {
    return this.uploading.size + this.stopped.size;
  }

  /** False: none is slow enough. */
  cutAny(): boolean {
    return this.#cutReader() || this.cutUpload();
  }

  /** False: none is slow enough. */
  cutUpload(): boolean {
    const slowest = this.#slowestUpload();
    if (slowest === null) return false;
    slowest.leave();
    const { holder } = slowest;
    holder.cutOff(`the body arrived slowly (${holder.uploadedBytes} bytes so far) while others waited for the service`);
    return true;
  }

  #cutReader(): boolean {
    const [longest] = this.stopped;
    if (longest === undefined) return false;
    const stoppedMs = performance.now() - longest.stoppedAtMs;
    if (stoppedMs < READER_PATIENCE_MS) return false;
    longest.leave();
    longest.holder.cutOff(`the client took nothing for ${Math.round(stoppedMs)} ms while others waited for the service`);
    return true;
  }

  #slowestUpload(): ClientPlace | null {
    const nowMs = performance.now();
    let slowest: ClientPlace | null = null;
    for (const one of this.uploading) {
      judge(one, nowMs);
      if (one.behindMs > (slowest?.behindMs ?? UPLOAD_PATIENCE_MS) && !one.holder.isHeldUpByService) slowest = one;
    }
    return slowest;
  }
}

/** Asked ten times a second while others wait: a fast start does not pay for a long silence then. */
function judge(one: ClientPlace, nowMs: number): void {
  const { uploadedBytes, isHeldUpByService } = one.holder;
  const lateMs = isHeldUpByService ? 0 : nowMs - one.judgedAtMs;
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
