/** `windrose explain`: what the gateway would do with one request, and why; from a configuration, or from a gateway that runs. */
import { readDescription } from "../control/simulation/described-request.js";
import { createSimulator } from "../control/simulation/simulator.js";
import type { Explanation, RequestDescription } from "../engine/model/explanation.js";
import { ADMIN_FLAGS, ADMIN_FLAGS_HELP, type AdminFlags, createAdminClient } from "./admin-client.js";
import { type CommandText, fail, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { loadOrComplain } from "./configuration.js";
import { EXIT } from "./exit-codes.js";
import { REQUEST_FLAGS, REQUEST_FLAGS_HELP, readRequestFlags } from "./explain-request.js";
import { explanationText } from "./explain-text.js";
import { painter, writeJson } from "./terminal.js";

export const FLAGS = {
  ...REQUEST_FLAGS,
  ...ADMIN_FLAGS,
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage: "explain [CONFIG] --request 'METHOD URL' [--header 'name: value']... [--jwt TOKEN|@FILE] [--json]",
  about: `Says what the gateway would do with a request: the listener, the routes that were considered and why
each lost, the filters and their verdict, what a service would receive, and how traffic is split.
Nothing is sent and nothing is counted. Without CONFIG a gateway that runs is asked.`,
  flags: [
    ...REQUEST_FLAGS_HELP,
    ...ADMIN_FLAGS_HELP,
    ["--json", "print the explanation as JSON, for scripts"],
    ["-h, --help", "show this text"],
  ],
  examples: [
    "windrose explain config/quickstart.yaml --request 'GET https://localhost:8443/orders/1' --jwt \"$(windrose token)\"",
    "windrose explain --admin http://127.0.0.1:9901 --request https://localhost:8443/catalog",
  ],
};

type Answer = { readonly ok: true; readonly explanation: Explanation } | { readonly ok: false; readonly exitCode: number };

export async function explain(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS, 1);
  if (!line.ok) return refuseUsage("explain", line.message);
  const { json, help, ...flags } = line.values;
  if (help) return printHelp(TEXT);
  const described = readRequestFlags(flags);
  if (!described.ok) return refuseUsage("explain", described.message);
  const [path] = line.positionals;
  const asksGateway = flags.admin !== undefined;
  if (path !== undefined && asksGateway) return refuseUsage("explain", "CONFIG and --admin exclude each other");
  const answer = path === undefined ? await askGateway(flags, described.description) : await simulate(path, described.description);
  if (!answer.ok) return answer.exitCode;
  if (json) writeJson(answer.explanation);
  else process.stdout.write(explanationText(answer.explanation, painter(process.stdout)));
  return EXIT.ok;
}

async function simulate(path: string, description: RequestDescription): Promise<Answer> {
  const described = readDescription(description);
  if (!described.ok) return { ok: false, exitCode: refuseUsage("explain", `--${flagOf(described.field)} ${described.message}`) };
  const loaded = loadOrComplain(path);
  if (loaded === null) return { ok: false, exitCode: EXIT.configuration };
  const explanation = await createSimulator(loaded.snapshot).explain(described.request);
  if (typeof explanation === "string") return { ok: false, exitCode: fail("explain", explanation) };
  return { ok: true, explanation };
}

function flagOf(field: string): string {
  return field === "headers" ? "header" : field;
}

async function askGateway(flags: AdminFlags, description: RequestDescription): Promise<Answer> {
  const client = createAdminClient(flags);
  if (!client.ok) return { ok: false, exitCode: fail("explain", client.message, client.code) };
  const answer = await client.value.post("/v1/explain", description);
  if (!answer.ok) return { ok: false, exitCode: fail("explain", answer.message, answer.code) };
  const explanation = explanationOf(answer.body);
  if (explanation === null) return { ok: false, exitCode: fail("explain", `${client.value.name} gave no explanation`) };
  return { ok: true, explanation };
}

/** Another version of Windrose may answer in another form. */
function explanationOf(body: unknown): Explanation | null {
  const value = (body as { explanation?: unknown } | null)?.explanation ?? body;
  const isExplanation = typeof value === "object" && value !== null && "verdict" in value && "candidates" in value && "notes" in value;
  return isExplanation ? (value as Explanation) : null;
}
