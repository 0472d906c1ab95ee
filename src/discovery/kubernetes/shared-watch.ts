/**
 * One conversation with a cluster for all services of a namespace that are wanted: a list of their EndpointSlices, then a watch, which
 * ends every minute or so and goes on where it was. Only when the servers have forgotten that place is everything listed again.
 */
import type { EndpointSpec } from "../../engine/model/snapshot.js";
import { reasonOf } from "../http/servers-in-turn.js";
import { backoffMs } from "../poller.js";
import type { SourceSink } from "../source.js";
import { checkSize, KubernetesFailure, listSlices, type SliceQuestion, type SliceWatch, watchSlices } from "./ask-slices.js";
import type { ClusterAccess } from "./cluster-access.js";
import type { SliceEvent } from "./read-objects.js";
import { endpointsOf } from "./slice-endpoints.js";
import { SliceStore } from "./slice-store.js";

/** Who wants the endpoints of a service. */
export interface Member {
  readonly service: string;
  readonly port: string | number;
  readonly minimumEndpoints: number;
  readonly sink: SourceSink;
}

export interface Rhythm {
  /** Of a watch: at least, and up to so many more, so that gateways do not come together. */
  readonly watchSeconds: number;
  readonly moreWatchSeconds: number;
  /** A watch that lasts longer than it should by this is one with a server that is gone. */
  readonly graceMs: number;
}

/** A dead connection is noticed within a minute and a half; a watch that ends costs one request. */
export const RHYTHM: Rhythm = { watchSeconds: 60, moreWatchSeconds: 20, graceMs: 10_000 };

/** What is moved from one slice to another comes as two events, and a rollout as many. */
const GATHER_MS = 50;
/** Since then a watch has proved that it works. */
const STEADY_MS = 1_000;
/** What breaks off or is forgotten sooner than this will be so again: pauses grow. */
const MIN_LASTING_MS = 10_000;
/** Of the time that changes may take to be told. */
const TELLING_SHARE = 0.1;

export class SharedWatch {
  readonly #access: () => Promise<ClusterAccess>;
  readonly #rhythm: Rhythm;
  readonly #members = new Set<Member>();
  /** Services that `#store` knows all slices of. */
  #listed: ReadonlySet<string> = new Set();
  #store = new SliceStore();
  /** "": all is to be listed. */
  #resourceVersion = "";
  #listedAt = Number.NEGATIVE_INFINITY;
  /** Services whose slices have changed. */
  readonly #changed = new Set<string>();
  #conversation = new AbortController();
  /** When its watch began; Infinity: not yet. */
  #openedAt = Number.POSITIVE_INFINITY;
  #next: NodeJS.Timeout | null = null;
  #gathering: NodeJS.Timeout | null = null;
  #gatherMs = GATHER_MS;
  /** Counts on while servers fail, whichever. */
  #turn = 0;
  #server = "";
  #namespace = "";
  #failures = 0;
  /** "": none. */
  #lastFailure = "";
  /** An event has come since. */
  #isHeardAgain = false;

  constructor(access: () => Promise<ClusterAccess>, rhythm: Rhythm) {
    this.#access = access;
    this.#rhythm = rhythm;
  }

  get services(): ReadonlySet<string> {
    return new Set([...this.#members].map(({ service }) => service));
  }

  join(member: Member): void {
    this.#members.add(member);
    if (this.#listed.has(member.service)) {
      this.#tell(member);
      if (this.#lastFailure !== "") member.sink.failed(this.#about(member, this.#lastFailure));
      return;
    }
    this.#resourceVersion = "";
    this.#conversation.abort();
    // Many join in the same turn: all services of a document.
    this.#plan(0);
  }

  /** False when nobody is left. */
  leave(member: Member): boolean {
    this.#members.delete(member);
    if (this.#members.size > 0) return true;
    this.#conversation.abort();
    for (const timer of [this.#next, this.#gathering]) if (timer !== null) clearTimeout(timer);
    return false;
  }

  #plan(delayMs: number): void {
    if (this.#next !== null) clearTimeout(this.#next);
    this.#next = setTimeout(() => void this.#converse(), delayMs);
    this.#next.unref();
    const at = delayMs === 0 ? 0 : Date.now() + delayMs;
    for (const { sink } of this.#members) sink.planned(at);
  }

  async #converse(): Promise<void> {
    this.#conversation = new AbortController();
    const { signal } = this.#conversation;
    const services = [...this.services].sort();
    // Nothing is heard any more of those that left.
    this.#listed = new Set(services.filter((service) => this.#listed.has(service)));
    this.#openedAt = Number.POSITIVE_INFINITY;
    this.#server = "";
    const question = this.#question(services);
    try {
      if (this.#resourceVersion === "") await this.#list(question, signal);
      if (!signal.aborted) await this.#watch(question, signal);
      if (signal.aborted) return;
      this.#failures = 0;
      // One that says something and ends at once is not asked in a circle.
      this.#plan(Math.max(0, STEADY_MS - (performance.now() - this.#openedAt)));
    } catch (error) {
      if (!signal.aborted) this.#brokeOff(error);
    }
  }

  #question(services: readonly string[]): SliceQuestion {
    return {
      services,
      access: async () => {
        const access = await this.#access();
        this.#namespace = access.namespace;
        return access;
      },
      serverOf: (urls) => {
        this.#server = urls[this.#turn % urls.length] as string;
        return this.#server;
      },
    };
  }

  async #list(question: SliceQuestion, signal: AbortSignal): Promise<void> {
    const { slices, resourceVersion } = await listSlices(question, signal);
    if (signal.aborted) return;
    this.#store = new SliceStore(slices);
    this.#listed = new Set(question.services);
    this.#resourceVersion = resourceVersion;
    this.#listedAt = performance.now();
    this.#confirm();
  }

  async #watch(question: SliceQuestion, signal: AbortSignal): Promise<void> {
    const { watchSeconds, moreWatchSeconds, graceMs } = this.#rhythm;
    const seconds = watchSeconds + Math.round(moreWatchSeconds * Math.random());
    // Not the conversation's own signal: the end of one watch is not that of the conversation.
    const controller = new AbortController();
    const end = (): void => controller.abort();
    signal.addEventListener("abort", end);
    const late = setTimeout(end, seconds * 1_000 + graceMs).unref();
    let steady: NodeJS.Timeout | null = null;
    let hasSpoken = false;
    const watch: SliceWatch = {
      resourceVersion: this.#resourceVersion,
      seconds,
      onOpen: () => {
        this.#openedAt = performance.now();
        steady = setTimeout(() => this.#confirm(), STEADY_MS).unref();
      },
      onEvent: (event) => {
        if (signal.aborted) return;
        hasSpoken = true;
        this.#take(event);
      },
    };
    try {
      await watchSlices(question, watch, controller.signal);
      if (!hasSpoken && performance.now() - this.#openedAt < STEADY_MS) {
        // So do some servers when they have forgotten the version.
        throw new KubernetesFailure("ended the watch at once", { isOutdated: true });
      }
    } catch (error) {
      if (!controller.signal.aborted || signal.aborted) throw error;
      throw new KubernetesFailure(`did not end the watch after ${seconds} s: it may be gone`);
    } finally {
      if (steady !== null) clearTimeout(steady);
      clearTimeout(late);
      end();
      signal.removeEventListener("abort", end);
    }
  }

  #take(event: Exclude<SliceEvent, { type: "failure" }>): void {
    this.#resourceVersion = event.resourceVersion;
    this.#isHeardAgain = true;
    if (event.type === "bookmark") return this.#confirm();
    const concerned = event.type === "changed" ? this.#store.put(event.slice) : this.#store.delete(event.name);
    checkSize(this.#store.size, this.#store.endpoints);
    for (const service of concerned) this.#changed.add(service);
    this.#gathering ??= setTimeout(() => this.#tellChanged(), this.#gatherMs).unref();
  }

  /** Large services take long: then changes are told less often. */
  #tellChanged(): void {
    this.#gathering = null;
    // Events show that it works again, but not those from before it failed.
    if (this.#lastFailure !== "" && this.#isHeardAgain) return this.#confirm();
    const startedAt = performance.now();
    for (const member of this.#members) if (this.#changed.has(member.service) && this.#listed.has(member.service)) this.#tell(member);
    this.#changed.clear();
    this.#gatherMs = Math.max(GATHER_MS, (performance.now() - startedAt) / TELLING_SHARE);
  }

  /** All that is known holds as of now. */
  #confirm(): void {
    this.#lastFailure = "";
    // What is half told is told as a whole a little later.
    if (this.#gathering !== null) for (const service of this.#listed) this.#changed.add(service);
    else for (const member of this.#members) if (this.#listed.has(member.service)) this.#tell(member);
  }

  #tell(member: Member): void {
    const { service, port, minimumEndpoints, sink } = member;
    const slices = this.#store.of(service);
    // A Service has one, however empty.
    if (slices.length === 0 && minimumEndpoints > 0) {
      return sink.failed(this.#about(member, `${this.#server}: has no EndpointSlices of it: is there such a Service?`));
    }
    let found: { readonly endpoints: readonly EndpointSpec[]; readonly note: string };
    try {
      found = endpointsOf(slices, port);
    } catch (error) {
      return sink.failed(this.#about(member, reasonOf(error)));
    }
    sink.planned(0);
    const failure = this.#lastFailure === "" ? "" : this.#about(member, this.#lastFailure);
    sink.found(found.endpoints, false, { failure, note: found.note });
  }

  #brokeOff(error: unknown): void {
    const { isForgotten = false, isOutdated = false, retryAfterMs = 0 } = error instanceof KubernetesFailure ? error : {};
    if (isOutdated) this.#resourceVersion = "";
    const isLasting = performance.now() - this.#openedAt >= MIN_LASTING_MS;
    // Servers forget, and whoever is between cuts what is silent: neither is a failure until it comes again at once.
    const isExpected = isForgotten
      ? performance.now() - this.#listedAt >= MIN_LASTING_MS
      : isLasting && !(error instanceof KubernetesFailure);
    if (isExpected) return this.#plan(backoffMs(1, Math.random()));
    this.#failures = isLasting ? 1 : Math.min(this.#failures + 1, 30);
    this.#turn++;
    this.#isHeardAgain = false;
    this.#lastFailure = `${this.#server === "" ? "" : `${this.#server}: `}${reasonOf(error)}`;
    for (const member of this.#members) member.sink.failed(this.#about(member, this.#lastFailure));
    this.#plan(Math.max(backoffMs(this.#failures, Math.random()), retryAfterMs * (1 + 0.1 * Math.random())));
  }

  #about({ service }: Member, reason: string): string {
    return `Kubernetes cannot tell ${service}${this.#namespace === "" ? "" : ` in ${this.#namespace}`} (${reason})`;
  }
}
