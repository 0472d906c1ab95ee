/** `windrose services`: services of a running gateway, their endpoints, and what is wrong with them. */
import type { EndpointView, ServiceView } from "../admin/views.js";
import { ADMIN_FLAGS, ADMIN_FLAGS_HELP } from "./admin-client.js";
import { chooseClient, readAnswer } from "./admin-command.js";
import { type CommandText, fail, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { type Cell, formatTable, type Paint, painter, plural, type Style, writeJson } from "./terminal.js";

export const FLAGS = {
  ...ADMIN_FLAGS,
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage: "services [SERVICE] [--json]",
  about: `Lists the services of a running gateway and their endpoints: state, weight, requests under way, and why an endpoint is
not asked. With a name, only that service.`,
  flags: [...ADMIN_FLAGS_HELP, ["--json", "print all of it as JSON, for scripts"], ["-h, --help", "show this text"]],
  examples: ["windrose services orders"],
  words: [],
};

interface ServiceList {
  readonly services: readonly ServiceView[];
}

export async function services(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS, 1);
  if (!line.ok) return refuseUsage("services", line.message);
  const { json, help, ...flags } = line.values;
  if (help) return printHelp(TEXT);
  const [name] = line.positionals;
  const client = chooseClient("services", flags);
  if (!client.ok) return client.code;
  const asking = { command: "services", isJson: json };
  const list = readAnswer<ServiceList>(await client.value.get("/v1/services"), { services: "array" }, asking);
  if (!list.ok) return list.code;
  const shown = list.value.services.filter((service) => name === undefined || service.name === name);
  if (name !== undefined && shown.length === 0) return fail("services", `there is no service "${name}"`, EXIT.failure);
  if (json) writeJson({ services: shown });
  else process.stdout.write(servicesText(shown, painter(process.stdout)));
  return EXIT.ok;
}

export function servicesText(list: readonly ServiceView[], paint: Paint): string {
  return list.map((service) => `${headOf(service, paint)}${tableOf(service, paint)}`).join("\n");
}

function headOf({ name, protocol, algorithm, endpoints, isPanicking, reasons }: ServiceView, paint: Paint): string {
  const healthy = endpoints.filter(({ state }) => state === "healthy").length;
  const share = `${healthy} of ${plural(endpoints.length, "endpoint")} healthy`;
  const shown = healthy === endpoints.length && healthy > 0 ? paint("green", share) : paint(healthy === 0 ? "red" : "yellow", share);
  const troubles = [...(isPanicking ? ["panicking: all of them are asked"] : []), ...reasons];
  const trouble = troubles.length === 0 ? "" : paint("red", `, ${troubles.join(", ")}`);
  return `${paint("bold", name)} ${paint("dim", `${protocol}, ${algorithm}`)}, ${shown}${trouble}\n`;
}

const STYLES: Readonly<Record<EndpointView["state"], Style>> = {
  healthy: "green",
  draining: "yellow",
  ejected: "red",
  unhealthy: "red",
};

function tableOf({ endpoints }: ServiceView, paint: Paint): string {
  const headings = ["endpoint", "state", "weight", "zone", "under way", "reasons"].map((text): Cell => ({ text, style: "dim" }));
  const rows = endpoints.map(({ address, state, weight, zone, inFlight, reasons }): (string | Cell)[] => [
    address,
    { text: state, style: STYLES[state] },
    String(weight),
    zone === "" ? "-" : zone,
    String(inFlight),
    reasons.join("; "),
  ]);
  return rows.length === 0 ? "" : formatTable([headings, ...rows], { paint, right: [2, 4], indent: "  " });
}
