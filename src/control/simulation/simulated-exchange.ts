/**
 * Sends one request through the real exchange of the proxy, with nothing at either end: no socket in front, no service
 * behind. The service's answer is a plain 200, so that response filters run as well.
 */
import { type HeaderList, type PeerIdentity, RequestHead } from "../../engine/model/request.js";
import type { ListenerSpec } from "../../engine/model/snapshot.js";
import type { HeadPolicy, HeadVerdict } from "../../listeners/head-rules.js";
import { gate } from "../../listeners/uws/gate.js";
import { judgeHead } from "../../listeners/wire/request-rules.js";
import { createAcceptor } from "../../proxy/acceptor.js";
import type { Gateway } from "../../proxy/gateway.js";
import type { Downstream, ExchangeRecord, Timer, UpstreamCall, UpstreamHandler, UpstreamRequest } from "../../proxy/ports.js";
import { schemeOf } from "./choose-listener.js";
import type { DescribedRequest } from "./described-request.js";
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
  const verdict = judge(listener, request);
  const { head } = verdict;
  simulated.traces.set(head, trace);
  const ends = new Ends();
  const gateway: Gateway = { ...ends.parts(), timers: NO_TIMERS, active: 0, isDraining: false, webSockets: new Set(), isClosing: false };
  const acceptor = createAcceptor(listener.name, { current: simulated.runtime }, gateway, INSTANCE);
  if (verdict.code === null) acceptor.accept(head, ends.downstream);
  else acceptor.refuse(head, ends.downstream, verdict.code, verdict.detail);
  const conclude = (): Outcome => ends.conclude(head, trace);
  return ends.isSettled ? conclude() : ends.settled().then(conclude);
}

/** As the listener would, before the proxy hears of it. */
function judge(listener: ListenerSpec, request: DescribedRequest): HeadVerdict {
  const { limits, hardening } = listener;
  const policy: HeadPolicy = {
    scheme: schemeOf(listener),
    maxBodyBytes: limits.maxBodyBytes,
    maxHeaderBytes: limits.maxHeaderBytes,
    refuseUnderscoreHeaders: hardening.refuseUnderscoreHeaders,
  };
  const { method, path, query, authority, headers, address } = request;
  if (listener.wire === null) {
    const verdict = gate(method, path, query, ["host", authority, ...headers], policy);
    verdict.head.remoteAddress = address;
    return verdict;
  }
  const head = new RequestHead(method, policy.scheme, authority, path, query, headers.map(bytesOf));
  const peer = listener.wire.tls?.clientAuth == null ? null : peerOf(request.identity);
  return judgeHead(head, { address, localAuthority: authority, peer, isMisdirected: () => false }, policy);
}

function bytesOf(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

function peerOf(identity: string | null): PeerIdentity | null {
  if (identity === null) return null;
  const isUri = identity.includes("://");
  return {
    subject: `CN=${identity}`,
    dnsNames: isUri ? [] : [identity.toLowerCase()],
    uris: isUri ? [identity] : [],
    spiffeId: identity.startsWith("spiffe://") ? identity : "",
    fingerprint: "",
  };
}

const NEVER: Timer = { arm: () => undefined, cancel: () => undefined };
const NO_TIMERS: Gateway["timers"] = { create: () => NEVER };

/** Both ends of an exchange. */
class Ends {
  #status = 0;
  #headers: readonly string[] = [];
  #body = "";
  #record: ExchangeRecord | null = null;
  #upstream: UpstreamRequest | null = null;
  #handler: UpstreamHandler | null = null;
  #bug: unknown = null;
  #onSettled: (() => void) | null = null;

  readonly downstream: Downstream = {
    writeHead: (status, headers) => {
      this.#status = status;
      this.#headers = [...headers];
    },
    write: (chunk) => {
      this.#body += Buffer.from(chunk).toString("utf8");
      return true;
    },
    writeInterim: () => undefined,
    takeBack: () => false,
    flush: () => undefined,
    end: () => undefined,
    abort: () => undefined,
    acceptWebSocket: () => null,
    pauseBody: () => undefined,
    resumeBody: () => undefined,
  };

  parts(): Pick<Gateway, "connector" | "observer" | "onBug"> {
    return {
      connector: {
        start: (_target, request, handler) => {
          this.#upstream = { ...request, headers: [...request.headers] };
          this.#handler = handler;
          this.#settle();
          return DEAF_CALL;
        },
      },
      observer: {
        onAccept: () => undefined,
        onComplete: (record) => {
          this.#record = record;
          this.#settle();
        },
      },
      onBug: (error) => {
        this.#bug = error;
      },
    };
  }

  get isSettled(): boolean {
    return this.#record !== null || this.#handler !== null;
  }

  settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#onSettled = resolve;
    });
  }

  #settle(): void {
    this.#onSettled?.();
  }

  /** Lets the service answer, if it was asked. */
  conclude(head: RequestHead, trace: Trace): Outcome {
    const headers: HeaderList = [];
    this.#handler?.onHead(ANSWER_STATUS, headers, 0);
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
  abort: () => undefined,
};
