/**
 * A stand-in for a Consul server, for where Consul itself cannot run: its health API with blocking queries, indexes, tokens and
 * datacentres as documented, and ways to break it. Binds a free port of 127.0.0.1.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ServerOptions } from "node:https";
import { type MoodyServer, refuse, startMoodyServer } from "./moody-server.js";

export interface ConsulInstance {
  /** "": that of its node. */
  readonly address: string;
  readonly port: number;
  readonly nodeAddress?: string;
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
  readonly status?: "passing" | "warning" | "critical";
  readonly weights?: { readonly Passing: number; readonly Warning: number };
}

export interface ConsulQuestion {
  readonly parameters: URLSearchParams;
  readonly token: string;
}

export interface Consul extends MoodyServer {
  readonly questions: readonly ConsulQuestion[];
  /** Blocking queries that are held back now. */
  waiting(): number;
  /** Registers all instances of a service anew; whoever waits for it is told. */
  set(service: string, instances: readonly ConsulInstance[], datacenter?: string): void;
  /** A write that changes nothing for any service; those who wait are woken all the same. */
  touch(service: string): void;
  /** As after a restore: indexes begin low again, and whoever waits is told. */
  restore(): void;
  knowsLeader(isKnown: boolean): void;
}

export interface ConsulOptions {
  /** Tokens that may read; none: everybody may. */
  readonly tokens?: readonly string[];
  /** Its own is dc1; others it knows. */
  readonly datacenters?: readonly string[];
  readonly tls?: ServerOptions;
}

interface Service {
  index: number;
  instances: readonly ConsulInstance[];
}

interface Waiting {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly timer: NodeJS.Timeout;
}

const OWN_DATACENTER = "dc1";
const JITTER = 1 / 16;
/** Marks a question that was held back. */
const RELEASED = "released";

export async function startConsul(options: ConsulOptions = {}): Promise<Consul> {
  const { tokens = [], datacenters = [OWN_DATACENTER] } = options;
  const services = new Map<string, Service>();
  const waiting = new Set<Waiting>();
  const questions: ConsulQuestion[] = [];
  let index = 10;
  let isLeaderKnown = true;

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "", "http://consul");
    const token = String(request.headers["x-consul-token"] ?? "");
    if (!url.searchParams.has(RELEASED)) questions.push({ parameters: url.searchParams, token });
    const parts = /^\/v1\/health\/service\/([^/]+)$/.exec(url.pathname);
    const datacenter = url.searchParams.get("dc") ?? OWN_DATACENTER;
    if (parts === null) return refuse(response, 404, "404 page not found");
    if (token !== "" && tokens.length > 0 && !tokens.includes(token)) return refuse(response, 403, "ACL not found");
    if (!datacenters.includes(datacenter)) return refuse(response, 500, "No path to datacenter");
    if (url.searchParams.has("filter") && !/==|\bin\b/.test(url.searchParams.get("filter") as string)) {
      return refuse(response, 400, "Failed to create boolean expression evaluator");
    }
    const service = serviceAt(decodeURIComponent(parts[1] as string), datacenter);
    if (Number(url.searchParams.get("index") ?? 0) >= service.index) return hold(request, response, url);
    // Nobody without a token is told that there is more.
    const mayRead = tokens.length === 0 || token !== "";
    tell(response, service.index, mayRead ? select(service.instances, url.searchParams).map(describe(datacenter)) : []);
  }

  function hold(request: IncomingMessage, response: ServerResponse, url: URL): void {
    const waitMs = readDuration(url.searchParams.get("wait") ?? "5m");
    const timer = setTimeout(() => release(one), waitMs * (1 + JITTER * Math.random()));
    const one = { request, response, timer };
    waiting.add(one);
    response.once("close", () => {
      clearTimeout(timer);
      waiting.delete(one);
    });
  }

  /** Answered as if it had been asked without an index. */
  function release(one: Waiting): void {
    clearTimeout(one.timer);
    if (!waiting.delete(one)) return;
    const url = new URL(one.request.url ?? "", "http://consul");
    url.searchParams.delete("index");
    url.searchParams.set(RELEASED, "");
    one.request.url = url.pathname + url.search;
    respond(one.request, one.response);
  }

  function tell(response: ServerResponse, at: number, content: unknown): void {
    response.writeHead(200, {
      "content-type": "application/json",
      "x-consul-index": String(at),
      "x-consul-knownleader": String(isLeaderKnown),
      "x-consul-lastcontact": "0",
    });
    response.end(JSON.stringify(content));
  }

  function serviceAt(name: string, datacenter: string): Service {
    const key = `${datacenter} ${name}`;
    const service = services.get(key) ?? { index, instances: [] };
    services.set(key, service);
    return service;
  }

  function wake(name: string, datacenter: string): void {
    for (const one of [...waiting]) {
      const url = new URL(one.request.url ?? "", "http://consul");
      const isMeant = url.pathname.endsWith(`/${name}`) && (url.searchParams.get("dc") ?? OWN_DATACENTER) === datacenter;
      if (isMeant) release(one);
    }
  }

  const { server, respond } = await startMoodyServer(answer, options.tls);
  return {
    ...server,
    questions,
    waiting: () => waiting.size,
    set(name, instances, datacenter = OWN_DATACENTER) {
      Object.assign(serviceAt(name, datacenter), { index: ++index, instances });
      wake(name, datacenter);
    },
    touch(name) {
      serviceAt(name, OWN_DATACENTER).index = ++index;
      wake(name, OWN_DATACENTER);
    },
    restore() {
      index = 1;
      for (const service of services.values()) service.index = 1;
      for (const one of [...waiting]) release(one);
    },
    knowsLeader(isKnown) {
      isLeaderKnown = isKnown;
    },
  };
}

function select(instances: readonly ConsulInstance[], parameters: URLSearchParams): ConsulInstance[] {
  const tags = parameters.getAll("tag");
  return instances.filter(
    ({ status = "passing", tags: own = [] }) =>
      (!parameters.has("passing") || status === "passing") && tags.every((tag) => own.includes(tag)),
  );
}

/** As Consul 1.17 writes it, empty fields included. */
export function describe(datacenter: string): (instance: ConsulInstance) => unknown {
  return ({ address, port, nodeAddress = "10.255.0.1", tags = [], meta = {}, status = "passing", weights }) => {
    const id = `${address || nodeAddress}:${port}`;
    return {
      Node: {
        ID: "40e4a748-2192-161a-0510-9bf59fe950b5",
        Node: `node-${address || nodeAddress}`,
        Address: nodeAddress,
        Datacenter: datacenter,
        TaggedAddresses: { lan: nodeAddress, wan: nodeAddress },
        Meta: { "consul-network-segment": "" },
        CreateIndex: 10,
        ModifyIndex: 10,
      },
      Service: {
        ID: id,
        Service: "service",
        Tags: tags,
        Address: address,
        Meta: meta,
        Port: port,
        Weights: weights ?? { Passing: 1, Warning: 1 },
        EnableTagOverride: false,
        Proxy: { Mode: "", MeshGateway: {}, Expose: {} },
        Connect: {},
        PeerName: "",
        CreateIndex: 10,
        ModifyIndex: 10,
      },
      Checks: [
        { Node: "node", CheckID: "serfHealth", Name: "Serf Health Status", Status: "passing", ServiceID: "", Type: "" },
        { Node: "node", CheckID: `service:${id}`, Name: "Service check", Status: status, ServiceID: id, Type: "http" },
      ],
    };
  };
}

function readDuration(text: string): number {
  const [, number = "0", unit = "s"] = /^(\d+)(ms|s|m)$/.exec(text) ?? [];
  return Number(number) * { ms: 1, s: 1_000, m: 60_000 }[unit as "ms" | "s" | "m"];
}
