/**
 * What the primary knows of one service whose endpoints are found at run time. Whatever happens to the source, the last good
 * set stays: a failure changes nothing, and neither does a set that is too small (`minimumEndpoints`).
 */
import { type DynamicSourceSpec, placeOfSource } from "../engine/model/endpoint-source.js";
import type { EndpointSpec } from "../engine/model/snapshot.js";
import { MAX_ENDPOINTS, type Source, type SourceRemarks, type SourceSink } from "./source.js";

/** For the admin view and metrics. */
export interface SourceState {
  readonly service: string;
  readonly type: DynamicSourceSpec["type"];
  /** Type and place: `file /etc/orders.yaml`. */
  readonly source: string;
  /** `waiting`: no set yet. `stale`: it fails, or finds too few endpoints, and an older set is in use. */
  readonly status: "waiting" | "ready" | "stale";
  readonly endpoints: number;
  readonly version: number;
  /** When the set in use was confirmed last, and when it last became another one. Milliseconds since the epoch; 0: never. */
  readonly confirmedAtMs: number;
  readonly changedAtMs: number;
  /** 0: when it is told of a change. */
  readonly nextTryAtMs: number;
  /** Since it began. */
  readonly failures: number;
  /** "" when the last look succeeded. */
  readonly lastError: string;
  /** What there is to say about the last set that was found: what was left out, which servers were passed over. "": nothing. */
  readonly note: string;
}

/** What is in use, from where, and how fresh it is. */
export interface KnownSet {
  readonly version: number;
  readonly endpoints: readonly EndpointSpec[];
  readonly confirmedAtMs: number;
  readonly changedAtMs: number;
}

export interface FollowedServiceOptions {
  readonly service: string;
  readonly spec: DynamicSourceSpec;
  /** What another follower of the same place knew. */
  readonly known: KnownSet | null;
  readonly nextVersion: () => number;
  readonly onChange: (followed: FollowedService) => void;
  readonly createSource: (spec: DynamicSourceSpec, sink: SourceSink) => Source;
  readonly log: (message: string) => void;
}

export class FollowedService {
  readonly service: string;
  readonly spec: DynamicSourceSpec;
  readonly place: string;
  /** Settles when the source has answered or failed for the first time. */
  readonly tried: Promise<void>;
  known: KnownSet | null;
  readonly #options: FollowedServiceOptions;
  readonly #source: Source;
  #wasTried: () => void = () => {};
  #isStopped = false;
  /** By this very source. */
  #isConfirmed = false;
  /** In its last set that was not complete. */
  #named: ReadonlySet<string> = new Set();
  #nextTryAtMs = 0;
  #failures = 0;
  #lastError = "";
  readonly #notes = new NoteLog();

  constructor(options: FollowedServiceOptions) {
    this.service = options.service;
    this.spec = options.spec;
    this.place = placeOfSource(options.spec);
    this.known = options.known;
    this.#options = options;
    this.tried = new Promise((resolve) => {
      this.#wasTried = resolve;
    });
    this.#source = options.createSource(options.spec, {
      found: (endpoints, isPartial = false, remarks = NO_REMARKS) =>
        this.#found(isPartial ? this.#withKnown(endpoints) : endpoints, remarks),
      failed: (message) => this.#failed(message),
      planned: (nextTryAtMs) => {
        this.#nextTryAtMs = nextTryAtMs;
      },
    });
  }

  start(): void {
    this.#source.start();
  }

  stop(): void {
    this.#isStopped = true;
    this.#source.stop();
    this.#wasTried();
  }

  /** By this source itself, and not by one before it. */
  get isConfirmed(): boolean {
    return this.#isConfirmed;
  }

  state(): SourceState {
    const isFresh = this.#isConfirmed && this.#lastError === "";
    return {
      service: this.service,
      type: this.spec.type,
      source: this.place,
      status: this.known === null ? "waiting" : isFresh ? "ready" : "stale",
      endpoints: this.known?.endpoints.length ?? 0,
      version: this.known?.version ?? 0,
      confirmedAtMs: this.known?.confirmedAtMs ?? 0,
      changedAtMs: this.known?.changedAtMs ?? 0,
      nextTryAtMs: this.#nextTryAtMs,
      failures: this.#failures,
      lastError: this.#lastError,
      note: this.#notes.last,
    };
  }

  #found(endpoints: readonly EndpointSpec[], { failure, note }: SourceRemarks): void {
    if (this.#isStopped) return;
    if (this.#notes.isNews(note, performance.now())) this.#options.log(`service ${this.service}: ${note}`);
    const objection = this.#objection(endpoints);
    if (objection !== null) return this.#failed(objection);
    if (failure !== "" && failure !== this.#lastError) this.#options.log(`service ${this.service}: ${failure}`);
    if (failure === "" && this.#lastError !== "") this.#options.log(`service ${this.service}: ${this.place} is well again`);
    this.#lastError = failure;
    this.#isConfirmed = true;
    this.#take(endpoints);
    this.#wasTried();
  }

  /** What this source has named itself it may also withdraw. */
  #withKnown(endpoints: readonly EndpointSpec[]): readonly EndpointSpec[] {
    const keyOf = ({ host, port }: EndpointSpec): string => `${host} ${port}`;
    const [before, now] = [this.#named, new Set(endpoints.map(keyOf))];
    this.#named = now;
    return [...endpoints, ...(this.known?.endpoints ?? []).filter((known) => !now.has(keyOf(known)) && !before.has(keyOf(known)))];
  }

  #objection(endpoints: readonly EndpointSpec[]): string | null {
    if (endpoints.length > MAX_ENDPOINTS) return `names ${endpoints.length} endpoints, more than ${MAX_ENDPOINTS}`;
    const { minimumEndpoints } = this.spec;
    const count = countUsable(endpoints);
    const known = countUsable(this.known?.endpoints ?? []);
    if (count >= minimumEndpoints || count >= known) return null;
    return `names ${count} endpoints that take traffic, fewer than minimumEndpoints (${minimumEndpoints})`;
  }

  #take(endpoints: readonly EndpointSpec[]): void {
    const confirmedAtMs = Date.now();
    if (this.known !== null && JSON.stringify(endpoints) === JSON.stringify(this.known.endpoints)) {
      this.known = { ...this.known, confirmedAtMs };
      return;
    }
    this.known = { version: this.#options.nextVersion(), endpoints, confirmedAtMs, changedAtMs: confirmedAtMs };
    this.#options.onChange(this);
  }

  /** Logged when it begins and when the reason changes, not at every try. */
  #failed(message: string): void {
    if (this.#isStopped) return;
    this.#failures++;
    const consequence = this.known === null ? "it has no endpoints until then" : "the last endpoints stay in use";
    if (message !== this.#lastError) this.#options.log(`service ${this.service}: ${message}; ${consequence}`);
    this.#lastError = message;
    this.#wasTried();
  }
}

/** A note that comes and goes is not logged each time. */
const NOTE_AGAIN_MS = 600_000;

class NoteLog {
  last = "";
  #logged = "";
  #loggedAt = 0;

  isNews(note: string, now: number): boolean {
    const isSame = note === this.last;
    this.last = note;
    if (note === "" || isSame || (note === this.#logged && now - this.#loggedAt < NOTE_AGAIN_MS)) return false;
    this.#logged = note;
    this.#loggedAt = now;
    return true;
  }
}

const NO_REMARKS: SourceRemarks = { failure: "", note: "" };

function countUsable(endpoints: readonly EndpointSpec[]): number {
  return endpoints.reduce((count, { weight }) => count + (weight > 0 ? 1 : 0), 0);
}
