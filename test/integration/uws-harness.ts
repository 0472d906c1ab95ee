/**
 * Runs a real uws listener on port 0 with an acceptor whose behaviour a test gives as a function, and records what
 * the listener tells it. Not a test itself.
 */

import type { ErrorCode } from "../../src/engine/model/errors.js";
import { ERRORS } from "../../src/engine/model/errors.js";
import type { RequestHead } from "../../src/engine/model/request.js";
import type { ListenerLimits, ListenerSpec, ListenerTlsSpec } from "../../src/engine/model/snapshot.js";
import { createUwsListener, type UwsListener } from "../../src/listeners/uws/listener.js";
import type { Acceptor, Downstream, DownstreamHandler, Timers } from "../../src/proxy/ports.js";

/** A real clock: the listener needs nothing finer than `setTimeout` here. */
export const timers: Timers = {
  create(onFire) {
    let timer: NodeJS.Timeout | undefined;
    return {
      arm(delayMs) {
        clearTimeout(timer);
        timer = setTimeout(onFire, delayMs);
      },
      cancel() {
        clearTimeout(timer);
      },
    };
  },
};

/** One request as the acceptor saw it. */
export class Seen implements DownstreamHandler {
  readonly head: RequestHead;
  readonly downstream: Downstream;
  readonly refusal: { readonly code: ErrorCode; readonly detail: string } | null;
  readonly chunks: Uint8Array[] = [];
  isBodyComplete = false;
  trailers: readonly string[] = [];
  bodyError: ErrorCode | null = null;
  bodyErrorDetail = "";
  drains = 0;
  aborts = 0;
  onChunk: (chunk: Uint8Array, isLast: boolean) => void = () => {};
  onDrained: () => void = () => {};
  onFailed: (code: ErrorCode) => void = (code) => replyError(this.downstream, code);

  constructor(head: RequestHead, downstream: Downstream, refusal: { code: ErrorCode; detail: string } | null) {
    this.head = head;
    this.downstream = downstream;
    this.refusal = refusal;
  }

  get bodyBytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  get bodyText(): string {
    return Buffer.concat(this.chunks).toString("latin1");
  }

  onBody(chunk: Uint8Array, isLast: boolean): void {
    this.chunks.push(Buffer.from(chunk));
    this.isBodyComplete = isLast;
    this.onChunk(chunk, isLast);
  }

  onTrailers(trailers: readonly string[]): void {
    this.trailers = trailers;
    this.isBodyComplete = true;
    this.onChunk(new Uint8Array(0), true);
  }

  onBodyError(code: ErrorCode, detail: string): void {
    this.bodyError = code;
    this.bodyErrorDetail = detail;
    this.onFailed(code);
  }

  onDrain(): void {
    this.drains++;
    this.onDrained();
  }

  onAbort(): void {
    this.aborts++;
  }
}

export function reply(downstream: Downstream, status: number, body: string | Uint8Array, headers: readonly string[] = []): void {
  const bytes = Buffer.from(body as string);
  downstream.writeHead(status, headers, bytes.length);
  downstream.write(bytes);
  downstream.end();
}

export function replyError(downstream: Downstream, code: ErrorCode): void {
  reply(downstream, ERRORS[code].status, code, ["content-type", "text/plain"]);
}

export interface Harness {
  readonly port: number;
  readonly listener: UwsListener;
  /** Accepted and refused, in order. */
  readonly seen: Seen[];
  readonly bugs: unknown[];
  isDraining: boolean;
  onRequest: (seen: Seen) => void;
  /** Waits until `isTrue`; fails after five seconds. */
  until(isTrue: () => boolean, what: string, deadlineMs?: number): Promise<void>;
}

export interface HarnessOptions {
  readonly limits?: Partial<ListenerLimits>;
  readonly requestMs?: number;
  readonly connectionAgeMs?: number;
  readonly streamIdleMs?: number;
  readonly tls?: ListenerTlsSpec;
  readonly host?: string;
  readonly maxHeldBytes?: number;
  readonly port?: number;
  readonly refuseUnderscoreHeaders?: boolean;
}

export function listenerSpec(options: HarnessOptions = {}): ListenerSpec {
  return {
    name: "test",
    direction: "ingress",
    protocol: options.tls === undefined ? "http" : "https",
    bind: { host: options.host ?? "127.0.0.1", port: options.port ?? 0 },
    tls: options.tls ?? null,
    hostnames: [],
    trustedProxies: [],
    limits: {
      maxHeaderBytes: 16_384,
      maxBodyBytes: 10 * 1024 * 1024,
      minBodyBytesPerSecond: 240,
      maxConnections: 1000,
      maxConnectionsPerAddress: 0,
      ...options.limits,
    },
    timeouts: {
      requestMs: options.requestMs ?? 60_000,
      streamIdleMs: options.streamIdleMs ?? 300_000,
      connectionAgeMs: options.connectionAgeMs ?? 0,
    },
    webSocket: { maxMessageBytes: 1024 * 1024, maxQueueBytes: 1024 * 1024, idleMs: 120_000, maxAgeMs: 0, isCompressed: false },
    hardening: {
      normalisePath: true,
      refuseEncodedSlashes: true,
      refuseUnderscoreHeaders: options.refuseUnderscoreHeaders ?? true,
      dropForwardedHeaders: true,
    },
    wire: null,
  };
}

export async function startHarness(options: HarnessOptions = {}): Promise<Harness> {
  const seen: Seen[] = [];
  const bugs: unknown[] = [];
  const acceptor: Acceptor = {
    accept(head, downstream) {
      const one = new Seen(head, downstream, null);
      seen.push(one);
      harness.onRequest(one);
      return one;
    },
    refuse(head, downstream, code, detail) {
      const one = new Seen(head, downstream, { code, detail });
      seen.push(one);
      replyError(downstream, code);
      return one;
    },
    get isDraining() {
      return harness.isDraining;
    },
  };
  const listener = createUwsListener(listenerSpec(options), acceptor, timers, {
    onBug: (error) => bugs.push(error),
    maxHeldBytes: options.maxHeldBytes ?? 256 * 1024 * 1024,
  });
  const { port } = await listener.listen();
  const harness: Harness = {
    port,
    listener,
    seen,
    bugs,
    isDraining: false,
    onRequest: (one) => setImmediate(() => reply(one.downstream, 200, "hello")),
    until: (isTrue, what, deadlineMs = 5_000) => waitUntil(isTrue, what, deadlineMs),
  };
  return harness;
}

export async function waitUntil(isTrue: () => boolean, what: string, deadlineMs = 5_000): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`still not after ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
