/**
 * The runtime of a worker with its ends closed: built by the same code, with the same filters, but tokens and limits ask
 * nobody and count nothing, a service's endpoints are never asked for, and every filter leaves a trace.
 */
import { Endpoint, type Picker } from "../../engine/model/endpoint.js";
import type { RequestHead } from "../../engine/model/request.js";
import type { FilterSpec, Snapshot } from "../../engine/model/snapshot.js";
import type { JwtConfig } from "../../filters/jwt/schema.js";
import type { KeySource } from "../../filters/jwt/token-verifier.js";
import type { LimitPort } from "../../filters/rate-limit/filter.js";
import type { Filter, FilterContext, Verdict } from "../../proxy/ports.js";
import type { BackendRuntime, RouteRuntime, Runtime } from "../../proxy/runtime.js";
import { createRuntimeBuilder } from "../runtime-builder.js";
import { createSimulatedTokens, presentToken } from "./simulated-tokens.js";
import { Trace } from "./trace.js";

export interface SimulatedRuntime {
  readonly runtime: Runtime;
  /** By the head of the request, while it is under way (a WeakMap of millions keeps the garbage collector busy). */
  readonly traces: Map<RequestHead, Trace>;
}

interface Work {
  readonly traces: Map<RequestHead, Trace>;
  /** Whose filter is at work, and which; filters ask their ports synchronously. */
  trace: Trace;
  index: number;
}

/** @param liveKeys of a gateway that runs; without, keys that are fetched at run time are not there */
export function createSimulatedRuntime(snapshot: Snapshot, liveKeys: KeySource | null = null): SimulatedRuntime {
  const work: Work = { traces: new Map(), trace: new Trace({ type: "headers" }, false), index: 0 };
  const builder = createRuntimeBuilder({
    tokens: createSimulatedTokens(snapshot.jwtProviders, () => work.trace, liveKeys),
    limits: limitsThatCountNothing(work),
    onDryRunLimited: () => undefined,
  });
  const built = builder.build(snapshot);
  return { runtime: { ...built, routes: built.routes.map((route) => simulatedRoute(route, work)) }, traces: work.traces };
}

function limitsThatCountNothing(work: Work): LimitPort {
  return {
    open: ({ capacity, windowMs }) => ({
      take(key) {
        work.trace.limitKeys.set(work.index, key);
        return { outcome: "allowed", remaining: capacity - 1, resetMs: windowMs };
      },
    }),
  };
}

function simulatedRoute(route: RouteRuntime, work: Work): RouteRuntime {
  return {
    ...route,
    requestFilters: placed(route.requestFilters, route.spec.filters).map(({ filter, index }) =>
      tracedFilter(filter, index, route.spec.filters[index] as FilterSpec, work),
    ),
    backends: route.backends.map((backend) => ({
      ...backend,
      service: { ...backend.service, feedback: null },
      picker: alwaysPicks(backend),
    })),
  };
}

/** The chain leaves out filters that only act on responses: each finds its place again by its type. */
function placed(chain: readonly Filter[], specs: readonly FilterSpec[]): { filter: Filter; index: number }[] {
  let next = 0;
  return chain.map((filter) => {
    while (next < specs.length && specs[next]?.type !== filter.type) next++;
    return { filter, index: next++ };
  });
}

function tracedFilter(filter: Filter, index: number, spec: FilterSpec, work: Work): Filter {
  const onRequest = filter.onRequest as NonNullable<Filter["onRequest"]>;
  return {
    ...filter,
    onRequest(context: FilterContext): Verdict | Promise<Verdict> {
      const { request } = context;
      const trace = work.traces.get(request);
      if (trace === undefined) return onRequest(context);
      work.trace = trace;
      work.index = index;
      trace.noteRouted(request.headers);
      if (spec.type === "jwt") presentToken(spec.config as JwtConfig, trace, request.headers);
      const step = trace.begin(index, request.headers);
      const note = (reply: Verdict): Verdict => {
        if (step !== null) {
          step.after = [...request.headers];
          step.reply = reply;
        }
        return reply;
      };
      const verdict = onRequest(context);
      return verdict instanceof Promise ? verdict.then(note) : note(verdict);
    },
  };
}

/** Whether endpoints take traffic is a matter of the moment: asking for one must not decide about the request. */
function alwaysPicks({ picker, service: { spec } }: BackendRuntime): Picker {
  const target = {
    key: "",
    host: "",
    port: 0,
    version: "http1",
    http2: spec.http2,
    tls: null,
    connectTimeoutMs: 0,
    keepAliveMs: 0,
    connectionAgeMs: 0,
    maxConnections: 0,
    maxPendingRequests: 0,
    maxWebSockets: 0,
    maxSlowClientPercent: 0,
  } as const;
  const nowhere = new Endpoint("", target, { weight: 1, zone: "", priority: 0, labels: {} });
  return { pick: (request) => picker.pick(request) ?? nowhere };
}
