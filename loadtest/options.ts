/** Command-line options of the benchmark. */
import { parseArgs } from "node:util";

export interface BenchOptions {
  /** Names; empty: all. */
  readonly scenarios: readonly string[];
  /** Names; empty: all that are installed. */
  readonly peers: readonly string[];
  readonly rounds: number;
  /** Length of one measurement. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Open connections of the load generator. */
  readonly connections: number;
  /** Requests per second of the fixed-rate latency runs; 0: half of what the slower of Windrose, nginx and HAProxy can do. */
  readonly rate: number;
  readonly gatewayCore: number;
  readonly loadCore: number;
  /** Where the table is written; empty: nowhere. */
  readonly outPath: string;
}

export const USAGE = `Usage: npm run bench -- [options]

  --scenario NAME[,NAME]  plain, tls, edge, download, upload, routes, h2, h2-single, h2-large, tls-h2, grpc, idle, idle-tls, idle-h2 (default: all)
  --peer NAME[,NAME]      windrose, nginx, haproxy, caddy, fastify, direct (default: all that are installed)
  --rounds N              measurements of each contestant, alternating (default 5)
  --seconds N             length of one measurement (default 8)
  --connections N         open connections (default 64)
  --rate N                requests per second of the fixed-rate latency runs (default: half of the slower of the main three)
  --quick                 2 rounds of 2 seconds, for a first look; does not write RESULTS.md unless --out is given
  --cores GATEWAY,LOAD    cores to pin to (default 1,0)
  --out FILE              where to write the results (default loadtest/RESULTS.md; empty: nowhere)
`;

const FLAGS = {
  scenario: { type: "string", default: "" },
  peer: { type: "string", default: "" },
  rounds: { type: "string" },
  seconds: { type: "string" },
  connections: { type: "string", default: "64" },
  rate: { type: "string", default: "0" },
  quick: { type: "boolean", default: false },
  cores: { type: "string", default: "1,0" },
  out: { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Null when only help was asked for. Throws on nonsense. */
export function readOptions(args: readonly string[], defaultOut: string): BenchOptions | null {
  const { values } = parseArgs({ args: [...args], options: FLAGS });
  if (values.help) return null;
  const [gatewayCore, loadCore] = values.cores.split(",").map((core) => whole(core, "--cores", 0));
  if (gatewayCore === undefined || loadCore === undefined) throw new Error("--cores wants two numbers, such as 1,0");
  return {
    scenarios: names(values.scenario),
    peers: names(values.peer),
    rounds: whole(values.rounds ?? (values.quick ? "2" : "5"), "--rounds", 1),
    seconds: whole(values.seconds ?? (values.quick ? "2" : "8"), "--seconds", 1),
    // Compilers of the Node.js contestants need some 100,000 requests.
    warmUpSeconds: values.quick ? 1 : 6,
    connections: whole(values.connections, "--connections", 1),
    rate: whole(values.rate, "--rate", 0),
    gatewayCore,
    loadCore,
    outPath: values.out ?? (values.quick ? "" : defaultOut),
  };
}

function names(list: string): string[] {
  return list.split(",").filter((name) => name !== "");
}

function whole(text: string, flag: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new Error(`${flag} wants a whole number of at least ${least}, not "${text}"`);
  return value;
}
