/** Command-line options of the soak test. */
import { cpus } from "node:os";
import { parseArgs } from "node:util";

export interface SoakOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly clients: number;
  readonly faultPercent: number;
  readonly webSockets: number;
  /** WebSocket clients talk to the service itself, to test them without a gateway. */
  readonly isWebSocketDirect: boolean;
  readonly workers: number;
  /** As taskset lists them. */
  readonly gatewayCores: string;
  readonly loadCores: string;
  /** For the JSON summary; empty: nowhere. */
  readonly outPath: string;
  /** The directory with configuration and logs stays. */
  readonly keepsDirectory: boolean;
}

export const SOAK_USAGE = `Usage: npm run soak -- [options]

  --minutes N             how long the load lasts (default 20)
  --seconds N             the same, for trials; memory is judged from 600 s on
  --seed N                of the requests, their order and their faults (default: a new one, which is printed)
  --clients N             concurrent HTTP clients (default 200)
  --faults N              percent of the requests for which a service misbehaves (default 10)
  --websockets N          concurrent WebSocket clients (default 50; 0: none)
  --websockets-direct     they talk to the service without the gateway in between
  --workers N             of the gateway (default 2)
  --cores GATEWAY,LOAD    cores to pin to, each one or a range such as 2-3 (default: all for both)
  --out FILE              where to write the summary as JSON
  --keep                  do not remove the directory with configuration and logs
`;

const ALL_CORES = `0-${cpus().length - 1}`;

const FLAGS = {
  minutes: { type: "string", default: "20" },
  seconds: { type: "string" },
  seed: { type: "string" },
  clients: { type: "string", default: "200" },
  faults: { type: "string", default: "10" },
  websockets: { type: "string", default: "50" },
  "websockets-direct": { type: "boolean", default: false },
  workers: { type: "string", default: "2" },
  cores: { type: "string", default: `${ALL_CORES},${ALL_CORES}` },
  out: { type: "string", default: "" },
  keep: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Null when only help was asked for. Throws on nonsense. */
export function readSoakOptions(args: readonly string[]): SoakOptions | null {
  const { values } = parseArgs({ args: [...args], options: FLAGS });
  if (values.help) return null;
  const [, gatewayCores, loadCores] = /^(\d+(?:-\d+)?),(\d+(?:-\d+)?)$/.exec(values.cores) ?? [];
  if (gatewayCores === undefined || loadCores === undefined) throw new Error("--cores wants two, such as 1,0 or 2-3,0-1");
  return {
    seconds:
      values.seconds === undefined ? number(values.minutes, "--minutes", 1, 10_000) * 60 : number(values.seconds, "--seconds", 1, 600_000),
    seed: values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : number(values.seed, "--seed", 0, 1_000_000_000),
    clients: number(values.clients, "--clients", 0, 10_000),
    faultPercent: number(values.faults, "--faults", 0, 90),
    webSockets: number(values.websockets, "--websockets", 0, 10_000),
    isWebSocketDirect: values["websockets-direct"],
    workers: number(values.workers, "--workers", 1, 64),
    gatewayCores,
    loadCores,
    outPath: values.out,
    keepsDirectory: values.keep,
  };
}

function number(text: string, flag: string, least: number, most: number): number {
  const value = Number(text);
  if (text === "" || !Number.isInteger(value) || value < least || value > most) {
    throw new Error(`${flag} wants a whole number from ${least} to ${most}, not "${text}"`);
  }
  return value;
}
