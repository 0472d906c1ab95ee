/** What is measured, as data. */

export interface Scenario {
  readonly name: ScenarioName;
  /** Heading in the results. */
  readonly title: string;
  /** What contestants are asked to do, in one sentence. */
  readonly note: string;
  readonly kind: "load" | "idle";
  readonly isTls: boolean;
  /** RS256 token required, requests counted per subject, one access log line each. */
  readonly isEdgeJob: boolean;
  readonly method: "GET" | "POST";
  readonly path: string;
  /** Names of the contestants that can do it. */
  readonly peers: readonly PeerName[];
  /** Latency is also measured at one rate for all. */
  readonly hasFixedRate: boolean;
}

export const PEER_NAMES = ["windrose", "nginx", "haproxy", "caddy", "fastify"] as const;
export type PeerName = (typeof PEER_NAMES)[number];
export type ScenarioName = "plain" | "tls" | "edge" | "download" | "upload" | "routes" | "idle" | "idle-tls";

export const IDLE_CONNECTIONS = 10_000;
/** The two sizes compared in `routes`. */
export const FEW_ROUTES = 10;
export const MANY_ROUTES = 10_000;

const LOAD = {
  kind: "load",
  isTls: false,
  isEdgeJob: false,
  method: "GET",
  path: "/small",
  peers: PEER_NAMES,
  hasFixedRate: false,
} as const;

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
  { ...LOAD, name: "idle", title: "10,000 idle connections", note: "Growth of resident memory, after one request on each.", kind: "idle" },
  { ...LOAD, name: "idle-tls", title: "10,000 idle TLS connections", note: "The same over TLS.", kind: "idle", isTls: true },
];
