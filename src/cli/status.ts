/** `windrose status`: what a running gateway serves, how the last change went, and whether it is well. */
import type { ConfigStatusView, GuardView, InfoView, ReadinessView, ServiceView, SourceView } from "../admin/views.js";
import { ADMIN_FLAGS, ADMIN_FLAGS_HELP, type AdminClient } from "./admin-client.js";
import { type Asking, chooseClient, type Got, readAnswer } from "./admin-command.js";
import { type CommandText, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { statusText } from "./status-text.js";
import { findTroubles, type Troubles } from "./status-troubles.js";
import { painter, writeJson } from "./terminal.js";

export const FLAGS = {
  ...ADMIN_FLAGS,
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage: "status [--json]",
  about: `Shows what a running gateway serves and since when, whether the configuration on disk is another, how the last change
went, how its workers are, and which services and sources of endpoints are not well.`,
  flags: [...ADMIN_FLAGS_HELP, ["--json", "print all of it as JSON, for scripts"], ["-h, --help", "show this text"]],
  examples: ["windrose status --admin http://127.0.0.1:9901"],
  words: [],
};

export interface GatewayStatus {
  readonly admin: string;
  readonly info: InfoView;
  readonly configuration: ConfigStatusView;
  readonly guard: GuardView;
  readonly readiness: ReadinessView;
  /** Only what is not as it should be. */
  readonly troubles: Troubles;
}

export async function status(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS);
  if (!line.ok) return refuseUsage("status", line.message);
  const { json, help, ...flags } = line.values;
  if (help) return printHelp(TEXT);
  const client = chooseClient("status", flags);
  if (!client.ok) return client.code;
  const read = await readStatus(client.value, { command: "status", isJson: json });
  if (!read.ok) return read.code;
  if (json) writeJson(read.value);
  else process.stdout.write(statusText(read.value, painter(process.stdout), Date.now()));
  return EXIT.ok;
}

async function readStatus(client: AdminClient, asking: Asking): Promise<Got<GatewayStatus>> {
  const info = readAnswer<InfoView>(await client.get("/v1/info"), { version: "string", workers: "array", listeners: "array" }, asking);
  if (!info.ok) return info;
  const fields = { version: "string", since: "string", disk: "object" } as const;
  const configuration = readAnswer<ConfigStatusView>(await client.get("/v1/config/status"), fields, asking);
  if (!configuration.ok) return configuration;
  const guard = readAnswer<GuardView>(await client.get("/v1/guard"), { state: "string" }, asking);
  if (!guard.ok) return guard;
  const services = readAnswer<ServiceList>(await client.get("/v1/services"), { services: "array" }, asking);
  if (!services.ok) return services;
  const sources = readAnswer<SourceList>(await client.get("/v1/sources"), { sources: "array" }, asking);
  if (!sources.ok) return sources;
  const value = {
    admin: client.name,
    info: info.value,
    configuration: configuration.value,
    guard: guard.value,
    readiness: await readReadiness(client),
    troubles: findTroubles(services.value.services, sources.value.sources),
  };
  return { ok: true, value };
}

interface ServiceList {
  readonly services: readonly ServiceView[];
}

interface SourceList {
  readonly sources: readonly SourceView[];
}

/** A gateway that is not ready says so with 503. */
async function readReadiness(client: AdminClient): Promise<ReadinessView> {
  const answer = await client.get("/readyz");
  if (answer.ok) return { isReady: true, reasons: [] };
  const reasons = answer.problem?.["reasons"];
  return { isReady: false, reasons: Array.isArray(reasons) ? reasons.map(String) : [answer.message] };
}
