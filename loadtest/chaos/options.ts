/** Command-line options of the chaos test. */
import { parseArgs } from "node:util";
import { FAULTS, type Fault } from "./faults.js";
import { GATEWAYS, type Gateway } from "./gateways.js";

export interface ChaosOptions {
  readonly faults: readonly Fault[];
  readonly gateways: readonly Gateway[];
  readonly seconds: number;
  readonly recoverySeconds: number;
  readonly rate: number;
  readonly endpoints: number;
  readonly gatewayCore: string;
  readonly loadCore: string;
  /** Gateways one after the other instead of side by side. */
  readonly isInTurn: boolean;
  readonly keepsLogs: boolean;
  /** Files to write; "": none. */
  readonly outPath: string;
  readonly markdownPath: string;
}

export const CHAOS_USAGE = `Usage: npm run chaos -- [options]

  --only FAULT[,FAULT]      ${FAULTS.map(({ name }) => name).join(", ")} (default: all)
  --gateway NAME[,NAME]     ${GATEWAYS.map(({ name }) => name).join(", ")} (default: all that are installed)
  --seconds N               length of a fault (default 8)
  --recovery N              how long to wait at most until all is as before (default 30)
  --rate N                  requests per second and gateway (default 200)
  --endpoints N             services behind each gateway (default 4)
  --in-turn                 one gateway after the other instead of side by side
  --cores GATEWAY,LOAD      cores to pin to (default 1,0)
  --out FILE                results as JSON (default: nowhere)
  --markdown FILE           the tables (default: only to the terminal)
  --keep                    keep logs and records, and say where
`;

const FLAGS = {
  only: { type: "string", default: "" },
  gateway: { type: "string", default: "" },
  seconds: { type: "string", default: "8" },
  recovery: { type: "string", default: "30" },
  rate: { type: "string", default: "200" },
  endpoints: { type: "string", default: "4" },
  "in-turn": { type: "boolean", default: false },
  cores: { type: "string", default: "1,0" },
  out: { type: "string", default: "" },
  markdown: { type: "string", default: "" },
  keep: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Null when only help was asked for. Throws on nonsense. */
export function readChaosOptions(args: readonly string[]): ChaosOptions | null {
  const { values } = parseArgs({ args: [...args], options: FLAGS });
  if (values.help) return null;
  const [, gatewayCore, loadCore] = /^(\d+),(\d+)$/.exec(values.cores) ?? [];
  if (gatewayCore === undefined || loadCore === undefined) throw new Error("--cores wants two numbers, such as 1,0");
  return {
    faults: choose<Fault>(FAULTS, values.only, "fault"),
    gateways: choose(GATEWAYS, values.gateway, "gateway").filter((gateway) => gateway.version() !== null),
    seconds: within(values.seconds, "--seconds", [2, 120]),
    recoverySeconds: within(values.recovery, "--recovery", [3, 600]),
    rate: within(values.rate, "--rate", [20, 2_000]),
    endpoints: within(values.endpoints, "--endpoints", [2, 16]),
    gatewayCore,
    loadCore,
    isInTurn: values["in-turn"],
    keepsLogs: values.keep,
    outPath: values.out,
    markdownPath: values.markdown,
  };
}

function choose<Item extends { readonly name: string }>(all: readonly Item[], list: string, what: string): Item[] {
  const names = list.split(",").filter(Boolean);
  const unknown = names.filter((name) => !all.some((item) => item.name === name));
  if (unknown.length > 0) throw new Error(`no such ${what}: ${unknown.join(", ")}`);
  return all.filter(({ name }) => names.length === 0 || names.includes(name));
}

function within(text: string, flag: string, [smallest, largest]: readonly [number, number]): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < smallest || value > largest) {
    throw new Error(`${flag} wants a whole number from ${smallest} to ${largest}, not "${text}"`);
  }
  return value;
}
