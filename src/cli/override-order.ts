/** What `drain`, `weight` and `restore` have in common: which endpoint, for how long, and that each changes only what it is about. */
import type { OverrideView } from "../admin/views.js";
import { parseAddress } from "../config/index.js";
import { endpointId } from "../engine/model/endpoint.js";
import { parseDuration } from "../engine/model/units.js";
import { ADMIN_FLAGS, ADMIN_FLAGS_HELP, type AdminClient } from "./admin-client.js";
import { type Asking, type Got, readAnswer } from "./admin-command.js";
import { type CommandText, fail } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import type { Paint } from "./terminal.js";

export const ORDER_FLAGS = {
  ...ADMIN_FLAGS,
  for: { type: "string", default: "" },
  note: { type: "string", default: "" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const ORDER_FLAGS_HELP: CommandText["flags"] = [
  ["--for DURATION", "how long, from 1s to 366 days, such as 30m (default: until restored)"],
  ["--note TEXT", "why; shown with the endpoint and kept in the audit log"],
  ...ADMIN_FLAGS_HELP,
  ["--json", "print the outcome as JSON, for scripts"],
  ["-h, --help", "show this text"],
];

const MIN_MS = 1000;
const MAX_MS = 366 * 86_400_000;

/** Null: until it is taken back; undefined: it is no such duration. */
export function readFor(text: string): number | null | undefined {
  if (text === "") return null;
  const ttlMs = parseDuration(text);
  return ttlMs === null || ttlMs < MIN_MS || ttlMs > MAX_MS ? undefined : ttlMs;
}

export interface Place {
  readonly service: string;
  readonly address: string;
}

export interface Said {
  readonly weight?: number;
  readonly isDraining?: boolean;
  readonly note: string;
  readonly ttlMs: number | null;
}

/** The API replaces an override; what the other command said stays. */
export async function sendOverride(client: AdminClient, place: Place, said: Said, asking: Asking): Promise<Got<OverrideDone>> {
  const list = readAnswer<OverrideList>(await client.get("/v1/overrides"), { overrides: "array" }, asking);
  if (!list.ok) return list;
  const id = canonical(place.address);
  const former = list.value.overrides.find(({ service, address }) => service === place.service && address === id);
  const { weight = former?.weight ?? null, isDraining = former?.isDraining ?? false, ttlMs } = said;
  const note = said.note === "" ? (former?.note ?? "") : said.note;
  const kept = {
    ...(said.weight === undefined ? { weightUntil: former?.weightUntil ?? null } : {}),
    ...(said.isDraining === undefined ? { drainingUntil: former?.drainingUntil ?? null } : {}),
  };
  const done = readAnswer<OverrideDone>(
    await client.put(overridePath(place), { weight, isDraining, note, ttlMs, ...kept }),
    { result: "string", override: "object" },
    asking,
  );
  if (done.ok && !done.value.isKept) {
    fail(asking.command, "the gateway could not write it to its disk: it ends with the gateway's process", EXIT.ok);
  }
  return done;
}

/** As the gateway writes it; what is none it refuses. */
function canonical(address: string): string {
  const parts = parseAddress(address);
  return parts === null ? address : endpointId(parts);
}

interface OverrideList {
  readonly overrides: readonly OverrideView[];
}

export interface OverrideDone {
  readonly result: "set";
  readonly isKept: boolean;
  readonly override: OverrideView;
}

export function overridePath({ service, address }: Place): string {
  return `/v1/services/${encodeURIComponent(service)}/endpoints/${encodeURIComponent(address)}/override`;
}

export function overrideText({ override }: OverrideDone, paint: Paint): string {
  const { service, address, weight, weightUntil, isDraining, drainingUntil, isPresent } = override;
  const until = (time: string | null): string => `until ${time ?? "restored"}`;
  const what = [
    ...(isDraining ? [`is drained ${until(drainingUntil)}`] : []),
    ...(weight === null ? [] : [`has weight ${weight} ${until(weightUntil)}`]),
  ].join(" and ");
  const absent = isPresent ? "" : paint("yellow", " (the service does not have it now)");
  return `${paint("bold", address)} of service ${paint("bold", service)} ${what}${absent}\n`;
}
