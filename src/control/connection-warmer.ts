/**
 * Opens connections to endpoints ahead of their first requests: to those that are new, that are well again, and whose ejection is about
 * to end. In the background, a bounded number at a time; what fails is counted and nothing else, for requests will find out themselves.
 */
import type { Endpoint } from "../engine/model/endpoint.js";
import type { ServiceRuntime } from "../proxy/runtime.js";
import type { MetricJson, MetricRow } from "../telemetry/metric-json.js";
import type { UpstreamConnector } from "../upstream/connector.js";

export interface ConnectionWarmer {
  /** Services, or what is known of their endpoints, may have changed. */
  look(services: Iterable<ServiceRuntime>): void;
  /** Resolves when everything that is to be opened now has been tried, or the time is over. */
  settled(timeoutMs: number): Promise<void>;
  metrics(): MetricJson[];
  stop(): void;
}

const MAX_CONNECTING = 64;
/** Ejections end without anybody saying so. */
const LOOK_MS = 1_000;
/** So long before an ejection ends: more than a look, so that none is missed, and less than connections are kept. */
const AHEAD_MS = 1_500;

interface Order {
  readonly service: string;
  readonly endpoint: Endpoint;
  readonly count: number;
}

interface Counts {
  opened: number;
  failed: number;
}

export function createConnectionWarmer(connector: Pick<UpstreamConnector, "warm">): ConnectionWarmer {
  return new Warmer(connector);
}

class Warmer implements ConnectionWarmer {
  readonly #connector: Pick<UpstreamConnector, "warm">;
  #services: readonly ServiceRuntime[] = [];
  /** How many connections were asked for since the endpoint last began to take traffic. */
  #asked = new WeakMap<Endpoint, number>();
  readonly #counts = new Map<string, Counts>();
  #orders: Order[] = [];
  #connecting = 0;
  #timer: NodeJS.Timeout | null = null;
  #waiting: (() => void)[] = [];

  constructor(connector: Pick<UpstreamConnector, "warm">) {
    this.#connector = connector;
  }

  look(services: Iterable<ServiceRuntime>): void {
    this.#services = [...services].filter(({ spec }) => spec.warmConnections > 0);
    const names = new Set(this.#services.map(({ spec }) => spec.name));
    for (const name of this.#counts.keys()) if (!names.has(name)) this.#counts.delete(name);
    this.#forgetOrders();
    if (names.size > 0) this.#timer ??= setInterval(() => this.#lookAgain(), LOOK_MS).unref();
    else this.stop();
    this.#lookAgain();
  }

  settled(timeoutMs: number): Promise<void> {
    if (this.#isSettled) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      setTimeout(resolve, timeoutMs).unref();
    });
  }

  metrics(): MetricJson[] {
    const rows = [...this.#counts].flatMap(([service, { opened, failed }]): MetricRow[] => [
      [[service, "opened"], [opened]],
      [[service, "failed"], [failed]],
    ]);
    const labelNames = ["windrose_service", "windrose_result"];
    const help = "Connections opened ahead of requests.";
    return [{ name: "windrose_upstream_warmed_connections_total", help, type: "counter", labelNames, bounds: [], rows }];
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#orders = [];
  }

  get #isSettled(): boolean {
    return this.#orders.length === 0 && this.#connecting === 0;
  }

  /** Of endpoints that have gone before it was their turn. */
  #forgetOrders(): void {
    if (this.#orders.length === 0) return;
    const listed = new Set(this.#services.flatMap(({ endpoints }) => endpoints.endpoints));
    this.#orders = this.#orders.filter(({ endpoint }) => listed.has(endpoint));
  }

  #lookAgain(): void {
    const now = performance.now();
    for (const { spec, endpoints } of this.#services) {
      for (const endpoint of endpoints.endpoints) this.#consider(endpoint, spec, now);
    }
    this.#work();
  }

  #consider(endpoint: Endpoint, { name, warmConnections }: ServiceRuntime["spec"], now: number): void {
    const { weight, isDraining, isHealthy, ejectedUntil } = endpoint;
    const takesTraffic = weight > 0 && !isDraining && isHealthy && ejectedUntil <= now + AHEAD_MS;
    const asked = this.#asked.get(endpoint) ?? 0;
    if (!takesTraffic) this.#asked.delete(endpoint);
    else if (asked < warmConnections) {
      this.#asked.set(endpoint, warmConnections);
      this.#orders.push({ service: name, endpoint, count: warmConnections });
    }
  }

  #work(): void {
    while (this.#connecting < MAX_CONNECTING) {
      const order = this.#orders.shift();
      if (order === undefined) break;
      this.#open(order);
    }
    if (!this.#isSettled) return;
    for (const tell of this.#waiting.splice(0)) tell();
  }

  #open({ service, endpoint, count }: Order): void {
    const counts = this.#counts.get(service) ?? { opened: 0, failed: 0 };
    this.#counts.set(service, counts);
    this.#connecting += this.#connector.warm(endpoint.target, count, (isOpen) => {
      counts[isOpen ? "opened" : "failed"]++;
      this.#connecting--;
      this.#work();
    });
  }
}
