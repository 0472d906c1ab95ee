/**
 * A service of ten endpoints in simulated time: requests come at random, each endpoint works on a few at once and lets the
 * rest wait, and for a while one of them is slow. The pickers are the gateway's own. Nothing is measured here, so the same
 * seed gives the same result on every machine.
 */
import { createBalanceFeedback } from "../src/engine/balancing/feedback.js";
import { createPicker } from "../src/engine/balancing/picker.js";
import { AttemptResult, Endpoint, EndpointSet, PickRequest } from "../src/engine/model/endpoint.js";
import type { BalanceAlgorithm, BalanceSpec } from "../src/engine/model/snapshot.js";

export interface SimulationOptions {
  readonly algorithm: BalanceAlgorithm;
  readonly seconds: number;
  /** How much longer the slow endpoint works on a request. */
  readonly slowFactor: number;
  /** When it is slow, in seconds; default: all the time. */
  readonly slowFrom?: number;
  readonly slowUntil?: number;
}

export interface SimulationResult {
  /** Arrival and duration of each request, in milliseconds, in the order of arrival. */
  readonly arrivals: Float64Array;
  readonly durations: Float64Array;
  /** Of the requests, on the endpoint that is slow. */
  readonly slowShare: number;
  percentile(part: number): number;
}

export const ENDPOINTS = 10;
export const REQUESTS_PER_SECOND = 1_000;
/** Exponential around this; each endpoint works on so many requests at once: one that is ten times as slow still keeps up with its share. */
export const MEAN_WORK_MS = 10;
const PLACES = 16;
const SEED = 20_260_101;

const BALANCE: Omit<BalanceSpec, "algorithm"> = {
  hashOn: null,
  maxLoadPercent: 0,
  prefersLocalZone: true,
  slowStartMs: 0,
  panicThresholdPercent: 50,
  retryAfter: { on: [503], maxMs: 0 },
};

/** mulberry32: small, and good enough for arrivals. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Ending {
  readonly at: number;
  readonly endpoint: Endpoint;
  readonly elapsedMs: number;
}

export function simulate(options: SimulationOptions): SimulationResult {
  const { algorithm, seconds, slowFactor, slowFrom = 0, slowUntil = Number.POSITIVE_INFINITY } = options;
  const endpoints = createEndpoints();
  const balance = { ...BALANCE, algorithm };
  const picker = createPicker((endpoints[0] as Endpoint).set, { balance, subset: null, zone: "" });
  const feedback = createBalanceFeedback(balance);
  const arrival = randomNumbers(SEED);
  const work = randomNumbers(SEED + 1);
  const choice = randomNumbers(SEED + 2);
  /** Per endpoint: when each of its places is free. */
  const places = endpoints.map(() => new Float64Array(PLACES));
  const endings: Ending[] = [];
  const [request, result] = [new PickRequest(), new AttemptResult()];
  const count = seconds * REQUESTS_PER_SECOND;
  const [arrivals, durations] = [new Float64Array(count), new Float64Array(count)];
  let now = 0;
  let slow = 0;
  for (let i = 0; i < count; i++) {
    now += (-Math.log(1 - arrival()) * 1_000) / REQUESTS_PER_SECOND;
    settle(endings, now, ({ endpoint, elapsedMs, at }) => {
      endpoint.inFlight--;
      feedback?.note(Object.assign(result, { endpoint, status: 200, elapsedMs, now: at }));
    });
    Object.assign(request, { now, random: choice() });
    const endpoint = picker.pick(request) as Endpoint;
    const index = endpoints.indexOf(endpoint);
    const isSlow = index === 0 && now >= slowFrom * 1_000 && now < slowUntil * 1_000;
    if (index === 0) slow++;
    const begin = occupy(places[index] as Float64Array, now, -Math.log(1 - work()) * MEAN_WORK_MS * (isSlow ? slowFactor : 1));
    endpoint.inFlight++;
    insert(endings, { at: begin, endpoint, elapsedMs: begin - now });
    arrivals[i] = now;
    durations[i] = begin - now;
  }
  return { arrivals, durations, slowShare: slow / count, percentile: (part) => percentile(durations, part) };
}

/** @returns when the work is done: it begins when a place is free */
function occupy(places: Float64Array, now: number, workMs: number): number {
  let first = 0;
  for (let place = 1; place < places.length; place++) if ((places[place] as number) < (places[first] as number)) first = place;
  const end = Math.max(now, places[first] as number) + workMs;
  places[first] = end;
  return end;
}

/** Latest ending first. */
function insert(endings: Ending[], ending: Ending): void {
  let [low, high] = [0, endings.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((endings[middle] as Ending).at > ending.at) low = middle + 1;
    else high = middle;
  }
  endings.splice(low, 0, ending);
}

function settle(endings: Ending[], now: number, end: (ending: Ending) => void): void {
  for (let last = endings.at(-1); last !== undefined && last.at <= now; last = endings.at(-1)) {
    endings.pop();
    end(last);
  }
}

export function percentile(values: Float64Array, part: number): number {
  return values.slice().sort()[Math.min(values.length - 1, Math.floor(values.length * part))] as number;
}

function createEndpoints(): readonly Endpoint[] {
  const set = new EndpointSet();
  const limits = {
    connectTimeoutMs: 0,
    keepAliveMs: 0,
    connectionAgeMs: 0,
    maxConnections: 1,
    maxPendingRequests: 0,
    maxSlowClientPercent: 1,
  };
  const http2 = { maxConcurrentStreams: 1, streamWindowBytes: 1, maxStreamWindowBytes: 1, pingMs: 0 };
  set.replace(
    Array.from({ length: ENDPOINTS }, (_, index) => {
      const target = { key: "", host: "", port: index + 1, version: "http1", http2, tls: null, ...limits, maxWebSockets: 0 } as const;
      return new Endpoint(`endpoint-${index}:80`, target, { weight: 1, zone: "", priority: 0, labels: {} }, set);
    }),
  );
  return set.endpoints;
}
