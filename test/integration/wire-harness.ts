/**
 * Runs a real `h2` or `h2c` listener on port 0 with an acceptor whose behaviour a test gives as a function. The twin of
 * uws-harness.ts, from which it takes everything but the listener. Not a test itself.
 */
import type { ListenerSpec, WireSpec, WireTlsSpec } from "../../src/engine/model/snapshot.js";
import { createWireListener, type WireListener, type WireListenerOptions } from "../../src/listeners/wire/listener.js";
import type { Acceptor } from "../../src/proxy/ports.js";
import { type Harness, type HarnessOptions, listenerSpec, reply, replyError, Seen, timers, waitUntil } from "./uws-harness.js";

export interface WireHarness extends Omit<Harness, "listener"> {
  readonly listener: WireListener;
  readonly spec: ListenerSpec;
  readonly refusals: string[];
}

export interface WireHarnessOptions extends Omit<HarnessOptions, "tls"> {
  readonly wire?: Partial<WireSpec>;
  readonly tls?: { readonly names: readonly (readonly string[])[] } & Partial<WireTlsSpec>;
  readonly options?: WireListenerOptions;
}

export function wireSpec({ wire, tls, ...rest }: WireHarnessOptions = {}): ListenerSpec {
  const spec = listenerSpec(rest);
  const certificates = (tls?.names ?? []).map((names) => ({ certPath: "", keyPath: "", names, notAfterMs: 0, fingerprint: "" }));
  const wireTls: WireTlsSpec | null =
    tls === undefined
      ? null
      : { minVersion: "TLSv1.2", pems: [], clientAuth: null, handshakeMs: 10_000, maxHandshakes: 1_000, ...withoutNames(tls) };
  return {
    ...spec,
    protocol: tls === undefined ? "h2c" : "h2",
    tls: tls === undefined ? null : { certificates },
    limits: { ...spec.limits, maxHeaderBytes: rest.limits?.maxHeaderBytes ?? 61_440 },
    wire: {
      tls: wireTls,
      proxyProtocol: "off",
      requestHeaderMs: 10_000,
      keepAliveMs: 75_000,
      maxHeaderFields: 98,
      http2: {
        maxConcurrentStreams: 100,
        streamWindowBytes: 65_536,
        connectionWindowBytes: 1_048_576,
        maxStreamWindowBytes: 65_536,
        pingMs: 30_000,
      },
      ...wire,
    },
  };
}

function withoutNames({ names: _names, ...tls }: NonNullable<WireHarnessOptions["tls"]>): Partial<WireTlsSpec> {
  return tls;
}

export async function startWireHarness(given: WireHarnessOptions = {}): Promise<WireHarness> {
  const seen: Seen[] = [];
  const bugs: unknown[] = [];
  const refusals: string[] = [];
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
  const spec = wireSpec(given);
  const listener = createWireListener(spec, acceptor, timers, {
    onBug: (error) => bugs.push(error),
    onRefusal: (reason) => refusals.push(reason),
    ...given.options,
  });
  const { port } = await listener.listen();
  const harness: WireHarness = {
    port,
    listener,
    spec,
    seen,
    bugs,
    refusals,
    isDraining: false,
    onRequest: (one) => setImmediate(() => reply(one.downstream, 200, "hello")),
    until: (isTrue, what, deadlineMs = 5_000) => waitUntil(isTrue, what, deadlineMs),
  };
  return harness;
}
