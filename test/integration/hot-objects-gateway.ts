/**
 * The data plane inside the test's process, wired as control/data-plane.ts does it, with eyes on every object that one
 * request makes. Not a test itself.
 */

import { createRuntimeBuilder } from "../../src/control/runtime-builder.js";
import type { RequestHead } from "../../src/engine/model/request.js";
import type { Snapshot } from "../../src/engine/model/snapshot.js";
import type { FilterPorts } from "../../src/filters/registry.js";
import { RequestBody as UwsBody } from "../../src/listeners/uws/body.js";
import { GateVerdict } from "../../src/listeners/uws/gate.js";
import { HeldBytes } from "../../src/listeners/uws/held-bytes.js";
import { createUwsListener } from "../../src/listeners/uws/listener.js";
import { ResponseWriter } from "../../src/listeners/uws/response-writer.js";
import { createAcceptor } from "../../src/proxy/acceptor.js";
import { Attempt } from "../../src/proxy/attempt.js";
import { DroppedAnswer } from "../../src/proxy/dropped-answer.js";
import { Exchange } from "../../src/proxy/exchange.js";
import { ExchangeTimers } from "../../src/proxy/exchange-timers.js";
import { prepareRequest } from "../../src/proxy/forwarded-request.js";
import type { Gateway } from "../../src/proxy/gateway.js";
import type { Acceptor, Connector, ExchangeRecord, Filter, Timers } from "../../src/proxy/ports.js";
import { RequestBody } from "../../src/proxy/request-body.js";
import type { ListenerRuntime, RouteRuntime, Runtime } from "../../src/proxy/runtime.js";
import { createTimerWheel } from "../../src/proxy/timer-wheel.js";
import { createConnector } from "../../src/upstream/connector.js";
import { Http1Call } from "../../src/upstream/http1-call.js";
import { Http1Connection } from "../../src/upstream/http1-connection.js";
import { RequestSender } from "../../src/upstream/request-sender.js";
import { BodyDecoder } from "../../src/wire/http1/body-decoder.js";
import { HeadParser } from "../../src/wire/http1/head-parser.js";
import { ResponseParser } from "../../src/wire/http1/response-parser.js";
import type { ShapeWatch } from "../support/shape-watch.js";

/** One of each per request, or (the last five) per upstream connection. */
const WATCHED_CLASSES = {
  Exchange,
  ExchangeTimers,
  Attempt,
  DroppedAnswer,
  RequestBody,
  ResponseWriter,
  UwsBody,
  HeldBytes,
  GateVerdict,
  Http1Call,
  Http1Connection,
  RequestSender,
  ResponseParser,
  HeadParser,
  BodyDecoder,
};

/** Once for all: instances of every gateway in this process are seen. */
export function watchClasses(watch: ShapeWatch): void {
  for (const [label, watched] of Object.entries(WATCHED_CLASSES)) watch.watchClass(label, watched);
}

export interface WatchedGateway {
  readonly ports: Readonly<Record<string, number>>;
  /** `errorCode` of each exchange that is over, "" for good ones, in order. */
  readonly outcomes: string[];
  readonly bugs: unknown[];
  readonly state: Gateway;
  close(): void;
}

/** `filters`: behind the configured ones, by route name. */
export async function startWatchedGateway(
  snapshot: Snapshot,
  watch: ShapeWatch,
  filters: Readonly<Record<string, Filter>>,
): Promise<WatchedGateway> {
  const wheel = createTimerWheel({ tickMs: 10 });
  const timers: Timers = { create: (onFire) => watch.show("Timer", wheel.create(onFire), "when new") };
  const runtime = withFilters(createRuntimeBuilder({} as FilterPorts).build(snapshot), filters);
  const connector = createConnector({ timers });
  const outcomes: string[] = [];
  const bugs: unknown[] = [];
  const state: Gateway = {
    connector: watchedConnector(connector, watch),
    timers,
    observer: { onAccept: () => {}, onComplete: (record) => outcomes.push(watchRecord(record, watch)) },
    explain: { opensFor: () => false },
    onBug: (error) => bugs.push(error),
    active: 0,
    webSockets: new Set(),
    isDraining: false,
    isClosing: false,
  };
  const listeners = snapshot.listeners.map((spec) => {
    const listener = runtime.listeners.get(spec.name) as ListenerRuntime;
    const acceptor = watchedAcceptor(createAcceptor(spec.name, { current: runtime }, state, "test"), listener, watch);
    return { spec, uws: createUwsListener(spec, acceptor, timers, { onBug: state.onBug }) };
  });
  const ports: Record<string, number> = {};
  for (const { spec, uws } of listeners) ports[spec.name] = (await uws.listen()).port;
  const close = () => {
    for (const { uws } of listeners) uws.close();
    connector.close();
    wheel.stop();
  };
  return { ports, outcomes, bugs, state, close };
}

function watchRecord(record: ExchangeRecord, watch: ShapeWatch): string {
  watch.show("Exchange", record, "when complete");
  watch.show("RequestHead", record.request, "when complete");
  return record.errorCode;
}

function watchedAcceptor(acceptor: Acceptor, listener: ListenerRuntime, watch: ShapeWatch): Acceptor {
  const watchHead = (head: RequestHead) => {
    watch.show("RequestHead", head, "when accepted");
    watch.show("ForwardedRequest", prepareRequest(head, listener, "other"), "when new");
  };
  return {
    get isDraining() {
      return acceptor.isDraining;
    },
    accept(head, downstream) {
      watchHead(head);
      watch.show("ResponseWriter", downstream, "when accepted");
      return watch.show("Exchange", acceptor.accept(head, downstream), "when accepted");
    },
    refuse(head, downstream, code, detail) {
      watchHead(head);
      watch.show("ResponseWriter", downstream, "when refused");
      return watch.show("Exchange", acceptor.refuse(head, downstream, code, detail), "when refused");
    },
  };
}

function watchedConnector(connector: Connector, watch: ShapeWatch): Connector {
  return {
    start(target, request, handler) {
      watch.show("UpstreamRequest", request, "when new");
      return watch.show("Http1Call", connector.start(target, request, handler), "when started");
    },
  };
}

function withFilters(runtime: Runtime, filters: Readonly<Record<string, Filter>>): Runtime {
  const addTo = (route: RouteRuntime): RouteRuntime => {
    const filter = filters[route.spec.name];
    if (filter === undefined) return route;
    const { requestFilters, responseFilters } = route;
    return {
      ...route,
      requestFilters: filter.onRequest === undefined ? requestFilters : [...requestFilters, filter],
      responseFilters: filter.onResponse === undefined ? responseFilters : [...responseFilters, filter],
    };
  };
  return { ...runtime, routes: runtime.routes.map(addTo) };
}
