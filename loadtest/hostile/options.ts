/** Command-line options of the load test with hostile clients. */
import { parseArgs } from "node:util";
import { ATTACKS, type Attack } from "./attacks.js";

export interface HostileOptions {
  readonly attacks: readonly Attack[];
  /** Length of one measurement. */
  readonly seconds: number;
  /** Healthy requests per second. */
  readonly rate: number;
  readonly gatewayCore: string;
  readonly loadCore: string;
  readonly isWithoutNginx: boolean;
  /** Where the table is written; empty: nowhere. */
  readonly outPath: string;
}

export const HOSTILE_USAGE = `Usage: npm run hostile -- [options]

  --attack NAME[,NAME]  ${ATTACKS.map(({ name }) => name).join(", ")} (default: all)
  --seconds N           length of one measurement (default 15, longer than the gateway lets a head trickle)
  --rate N              healthy requests per second over kept-alive connections (default 200)
  --cores GATEWAY,LOAD  cores to pin to (default 1,0)
  --without-nginx       do not measure nginx, although it is installed
  --out FILE            where to write the table (default: nowhere)
`;

const FLAGS = {
  attack: { type: "string", default: "" },
  seconds: { type: "string", default: "15" },
  rate: { type: "string", default: "200" },
  cores: { type: "string", default: "1,0" },
  "without-nginx": { type: "boolean", default: false },
  out: { type: "string", default: "" },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Null when only help was asked for. Throws on nonsense. */
export function readHostileOptions(args: readonly string[]): HostileOptions | null {
  const { values } = parseArgs({ args: [...args], options: FLAGS });
  if (values.help) return null;
  const [, gatewayCore, loadCore] = /^(\d+),(\d+)$/.exec(values.cores) ?? [];
  if (gatewayCore === undefined || loadCore === undefined) throw new Error("--cores wants two numbers, such as 1,0");
  return {
    attacks: chooseAttacks(values.attack.split(",").filter(Boolean)),
    seconds: positive(values.seconds, "--seconds"),
    rate: positive(values.rate, "--rate"),
    gatewayCore,
    loadCore,
    isWithoutNginx: values["without-nginx"],
    outPath: values.out,
  };
}

function chooseAttacks(names: readonly string[]): Attack[] {
  const unknown = names.filter((name) => !ATTACKS.some((attack) => attack.name === name));
  if (unknown.length > 0) throw new Error(`no such attack: ${unknown.join(", ")}`);
  return ATTACKS.filter(({ name }) => names.length === 0 || names.includes(name));
}

function positive(text: string, flag: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${flag} wants a whole number of at least 1, not "${text}"`);
  return value;
}
