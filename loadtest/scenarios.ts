/** What is measured, as data. */

export interface Scenario {
  readonly name: ScenarioName;
  /** Heading in the results. */
  readonly title: string;
  /** What contestants are asked to do, in one sentence. */
  readonly note: string;
  readonly kind: "load" | "idle";
  readonly isTls: boolean;
  /** What clients speak. */
  readonly http: "1.1" | "2";
  /** An `h2` listener of Windrose (HTTP/2 and HTTP/1.1 on one port) instead of an `https` one; without TLS `h2c` instead of `http`. */
  readonly usesH2Listener: boolean;
  /** 0: as the command line says. */
  readonly connections: number;
  /** HTTP/2: requests under way on each connection. */
  readonly streams: number;
  /** Unary calls, plain, to a service that speaks gRPC. */
  readonly isGrpc: boolean;
  /** RS256 token required, requests counted per subject, one access log line each. */
  readonly isEdgeJob: boolean;
  readonly method: "GET" | "POST";
  readonly path: string;
  /** Names of the contestants that can do it. */
  readonly peers: readonly PeerName[];
  /** Latency is also measured at one rate for all. */
  readonly hasFixedRate: boolean;
}

const GATEWAYS = ["windrose", "nginx", "haproxy", "caddy", "fastify"] as const;
/** `direct`: no gateway at all. */
export const PEER_NAMES = [...GATEWAYS, "direct"] as const;
export type PeerName = (typeof PEER_NAMES)[number];
export type ScenarioName =
  | "plain"
  | "tls"
  | "edge"
  | "download"
  | "upload"
  | "routes"
  | "h2"
  | "h2-single"
  | "h2-large"
  | "tls-h2"
  | "grpc"
  | "idle"
  | "idle-tls"
  | "idle-h2";

/** The method that is called in `grpc`. */
export const GRPC_PATH = "/bench.Greeter/SayHello";
export const IDLE_CONNECTIONS = 10_000;
/** The two sizes compared in `routes`. */
export const FEW_ROUTES = 10;
export const MANY_ROUTES = 10_000;

const LOAD = {
  kind: "load",
  isTls: false,
  http: "1.1",
  usesH2Listener: false,
  connections: 0,
  streams: 1,
  isGrpc: false,
  isEdgeJob: false,
  method: "GET",
  path: "/small",
  peers: GATEWAYS,
  hasFixedRate: false,
} as const;

const H2 = { ...LOAD, isTls: true, http: "2", usesH2Listener: true, peers: ["windrose", "nginx", "haproxy", "caddy"] } as const;

export const SCENARIOS: readonly Scenario[] = [
  {
    ...LOAD,
    name: "plain",
    title: "Plain HTTP/1.1, small body",
    note: "GET over kept-alive connections, 127 bytes answered. No access log. Windrose counts its metrics.",
    hasFixedRate: true,
  },
  {
    ...LOAD,
    name: "tls",
    title: "TLS HTTP/1.1, small body",
    note: "The same over TLS with a P-256 certificate.",
    isTls: true,
    hasFixedRate: true,
  },
  {
    ...LOAD,
    name: "edge",
    title: "The edge job",
    note:
      "TLS, RS256 token verified (signature, iss, aud, exp; 100 subjects in turn), requests counted per subject against a limit that " +
      "does not trigger, one access log line per request to a file. Windrose keeps verified tokens; HAProxy verifies each time.",
    isTls: true,
    isEdgeJob: true,
    peers: ["windrose", "haproxy"],
    hasFixedRate: true,
  },
  { ...LOAD, name: "download", title: "64 KiB response bodies", note: "GET, plain HTTP/1.1.", path: "/large" },
  {
    ...LOAD,
    name: "upload",
    title: "64 KiB request bodies",
    note: "POST, plain HTTP/1.1; the backend reads the whole body first.",
    method: "POST",
    path: "/upload",
  },
  {
    ...LOAD,
    name: "routes",
    title: "10,000 routes",
    note: "Windrose with 10 and with 10,000 routes, requests spread over all of them.",
    peers: ["windrose"],
  },
  {
    ...H2,
    name: "h2",
    title: "HTTP/2, many streams on few connections",
    note: "GET over TLS, 8 connections with 32 requests under way on each, 127 bytes answered; HTTP/1.1 to the backend.",
    connections: 8,
    streams: 32,
  },
  {
    ...H2,
    name: "h2-single",
    title: "HTTP/2, one stream per connection",
    note: "The same with one request under way on each of 64 connections.",
    connections: 64,
  },
  {
    ...H2,
    name: "h2-large",
    title: "HTTP/2, 1 MiB response bodies",
    note: "GET over TLS, 8 connections with 4 requests under way on each.",
    path: "/mebibyte",
    connections: 8,
    streams: 4,
  },
  {
    ...LOAD,
    name: "tls-h2",
    title: "TLS HTTP/1.1 on an h2 listener",
    note: "As TLS HTTP/1.1 above, where Windrose serves it on the port that also speaks HTTP/2.",
    isTls: true,
    usesH2Listener: true,
    peers: ["windrose", "nginx", "haproxy"],
  },
  {
    ...LOAD,
    name: "grpc",
    title: "gRPC, unary calls",
    note:
      "HTTP/2 without TLS on both sides, 8 connections with 16 calls under way on each, 127 bytes asked and answered. The service is node:http2 on " +
      "the load generator's core; without a gateway, the CPU time is that of the service.",
    http: "2",
    usesH2Listener: true,
    isGrpc: true,
    connections: 8,
    streams: 16,
    method: "POST",
    path: GRPC_PATH,
    peers: ["direct", "windrose", "nginx"],
    hasFixedRate: true,
  },
  { ...LOAD, name: "idle", title: "10,000 idle connections", note: "Growth of resident memory, after one request on each.", kind: "idle" },
  { ...LOAD, name: "idle-tls", title: "10,000 idle TLS connections", note: "The same over TLS.", kind: "idle", isTls: true },
  {
    ...H2,
    name: "idle-h2",
    title: "10,000 idle HTTP/2 connections",
    note: "The same over HTTP/2 and TLS.",
    kind: "idle",
    peers: ["windrose", "nginx", "haproxy"],
  },
];
