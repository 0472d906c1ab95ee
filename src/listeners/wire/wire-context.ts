/** What the connections of one listener share. */
import type { ListenerSpec, WireSpec } from "../../engine/model/snapshot.js";
import type { Acceptor, Timers } from "../../proxy/ports.js";
import { DEFAULT_HTTP1_LIMITS, type Http1Limits } from "../../wire/http1/refusal.js";
import { DEFAULT_HTTP2_LIMITS, type Http2Limits } from "../../wire/http2/limits.js";
import type { HeadPolicy } from "../head-rules.js";

/** Two reads from a service: with room for one only, streams that share a connection would stop at every read. */
const MAX_PENDING_DATA_BYTES = 131_072;

/** Something that has output which may wait until the end of the turn. */
export interface TurnEnd {
  onTurnEnd(): void;
}

export type WireParts = Pick<WireContext, "acceptor" | "timers" | "onBug" | "onHttp2Refusal">;

export class WireContext {
  readonly acceptor: Acceptor;
  readonly timers: Timers;
  readonly onBug: (error: unknown) => void;
  readonly spec: ListenerSpec;
  readonly wire: WireSpec;
  readonly policy: HeadPolicy;
  readonly http1Limits: Http1Limits;
  readonly http2Limits: Http2Limits;
  /** A client broke the rules of HTTP/2, or flooded us: its connection ends. */
  readonly onHttp2Refusal: (reason: string, address: string) => void;
  readonly #waiting: WaitingTurns;

  constructor(spec: ListenerSpec, given: WireParts, waiting: WaitingTurns) {
    if (spec.wire === null) throw new Error(`listener ${spec.name} is not carried by our own codecs`);
    const { limits, hardening } = spec;
    this.acceptor = given.acceptor;
    this.timers = given.timers;
    this.onBug = given.onBug;
    this.onHttp2Refusal = given.onHttp2Refusal;
    this.spec = spec;
    this.wire = spec.wire;
    this.policy = {
      scheme: spec.wire.tls === null ? "http" : "https",
      maxBodyBytes: limits.maxBodyBytes,
      maxHeaderBytes: limits.maxHeaderBytes,
      refuseUnderscoreHeaders: hardening.refuseUnderscoreHeaders,
    };
    this.http1Limits = { ...DEFAULT_HTTP1_LIMITS, maxHeadBytes: limits.maxHeaderBytes, maxFields: spec.wire.maxHeaderFields };
    this.http2Limits = http2Limits(spec.wire, limits.maxHeaderBytes);
    this.#waiting = waiting;
  }

  /** One callback at the end of the turn for all that wait, not a timer each. */
  atTurnEnd(task: TurnEnd): void {
    this.#waiting.add(task);
  }
}

function http2Limits({ http2, maxHeaderFields }: WireSpec, maxListBytes: number): Http2Limits {
  const { maxConcurrentStreams, streamWindowBytes, connectionWindowBytes, maxStreamWindowBytes } = http2;
  return {
    ...DEFAULT_HTTP2_LIMITS,
    ...{ maxConcurrentStreams, streamWindowBytes, connectionWindowBytes, maxStreamWindowBytes },
    maxConnectionWindowBytes: 2 * maxStreamWindowBytes,
    ...{ maxListBytes, maxFields: maxHeaderFields },
    allowsExtendedConnect: true,
    maxPendingDataBytes: MAX_PENDING_DATA_BYTES,
  };
}

export class WaitingTurns {
  #tasks: TurnEnd[] = [];
  readonly #onBug: (error: unknown) => void;

  constructor(onBug: (error: unknown) => void) {
    this.#onBug = onBug;
  }

  add(task: TurnEnd): void {
    if (this.#tasks.length === 0) setImmediate(runTasks, this);
    this.#tasks.push(task);
  }

  run(): void {
    const tasks = this.#tasks;
    this.#tasks = [];
    for (const task of tasks) {
      try {
        task.onTurnEnd();
      } catch (error) {
        this.#onBug(error);
      }
    }
  }
}

function runTasks(waiting: WaitingTurns): void {
  waiting.run();
}
