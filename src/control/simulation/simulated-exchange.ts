/**
 * Sends one request through the real exchange of the proxy, with nothing at either end: no socket in front, no service
 * behind. The service's answer is a plain 200, so that response filters run as well.
 */
import type { RequestHead } from "../../engine/model/request.js";
import type { ListenerSpec } from "../../engine/model/snapshot.js";
import { createAcceptor } from "../../proxy/acceptor.js";
import type { Gateway } from "../../proxy/gateway.js";
import type {
  Connector,
  Downstream,
  ExchangeRecord,
  Observer,
  Timer,
  UpstreamCall,
  UpstreamHandler,
  UpstreamRequest,
} from "../../proxy/ports.js";
import type { DescribedRequest } from "./described-request.js";
import { judgeRequest } from "./judge-request.js";
import type { SimulatedRuntime } from "./simulated-runtime.js";
import type { Trace } from "./trace.js";

export interface Outcome {
  readonly head: RequestHead;
  readonly record: ExchangeRecord;
  readonly trace: Trace;
  /** What a service would receive; null when none is asked. */
  readonly upstream: UpstreamRequest | null;
  /** What the client receives. */
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
  /** A bug of ours that the gateway would answer with 500. */
  readonly bug: unknown;
}

/** In `Via`; no gateway's, so that a request that has passed one is no loop. */
const INSTANCE = "simulation";
/** What a service might answer with: response filters may add to it, but not depend on it. */
const ANSWER_STATUS = 200;

/** A promise only when a filter has to compute something, as a signature. */
export function sendThrough(
  simulated: SimulatedRuntime,
  listener: ListenerSpec,
  request: DescribedRequest,
  trace: Trace,
): Outcome | Promise<Outcome> {
  const verdict = judgeRequest(listener, request);
  const { head } = verdict;
  simulated.traces.set(head, trace);
  const ends = new Ends();
  const acceptor = createAcceptor(listener.name, { current: simulated.runtime }, ends, INSTANCE);
  if (verdict.code === null) acceptor.accept(head, ends);
  else acceptor.refuse(head, ends, verdict.code, verdict.detail);
  const conclude = (): Outcome => {
    simulated.traces.delete(head);
    return ends.conclude(head, trace);
  };
  return ends.isSettled ? conclude() : ends.settled().then(conclude);
}

const NEVER: Timer = { arm: () => undefined, cancel: () => undefined };
const NO_TIMERS: Gateway["timers"] = { create: () => NEVER };
/** Upgrades are not simulated: nothing is ever added. */
const NO_WEB_SOCKETS: Gateway["webSockets"] = new Set();
/** The response is not looked at for how it came about. */
const NO_EXPLANATION: Gateway["explain"] = { opensFor: () => false };

/** Both ends of one exchange, and all that a worker is to it. One object: replaying a log makes millions. */
class Ends implements Gateway, Downstream, Connector, Observer {
  #status = 0;
  #headers: readonly string[] = [];
  #body = "";
  #record: ExchangeRecord | null = null;
  #upstream: UpstreamRequest | null = null;
  #handler: UpstreamHandler | null = null;
  #bug: unknown = null;
  #onSettled: (() => void) | null = null;

  readonly connector: Connector = this;
  readonly observer: Observer = this;
  readonly timers = NO_TIMERS;
  readonly webSockets = NO_WEB_SOCKETS;
  readonly explain = NO_EXPLANATION;
  active = 0;
  isDraining = false;
  isClosing = false;

  onBug = (error: unknown): void => {
    this.#bug = error;
  };

  writeHead(status: number, headers: readonly string[]): void {
    this.#status = status;
    this.#headers = headers;
  }

  write(chunk: Uint8Array): boolean {
    this.#body += Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString("utf8");
    return true;
  }

  takeBack(): boolean {
    return false;
  }

  acceptWebSocket(): null {
    return null;
  }

  writeInterim(): void {}
  flush(): void {}
  end(): void {}
  abort(): void {}
  pauseBody(): void {}
  resumeBody(): void {}
  onAccept(): void {}

  start(_target: unknown, request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    // Of the hop-by-hop fields the one that says something of the request (RFC 9110 §10.1.4).
    this.#upstream = request.acceptsTrailers ? { ...request, headers: [...request.headers, "te", "trailers"] } : request;
    this.#handler = handler;
    this.#onSettled?.();
    return DEAF_CALL;
  }

  onComplete(record: ExchangeRecord): void {
    this.#record = record;
    this.#onSettled?.();
  }

  get isSettled(): boolean {
    return this.#record !== null || this.#handler !== null;
  }

  settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#onSettled = resolve;
    });
  }

  /** Lets the service answer, if it was asked. */
  conclude(head: RequestHead, trace: Trace): Outcome {
    this.#handler?.onHead(ANSWER_STATUS, [], 0);
    this.#handler?.onEnd(null);
    return {
      head,
      record: this.#record as ExchangeRecord,
      trace,
      upstream: this.#upstream,
      status: this.#status,
      headers: this.#headers,
      body: this.#body,
      bug: this.#bug,
    };
  }
}

const DEAF_CALL: UpstreamCall = {
  write: () => true,
  end: () => undefined,
  pause: () => undefined,
  resume: () => undefined,
  bodyArrived: () => undefined,
  isConnecting: false,
  abort: () => undefined,
};
