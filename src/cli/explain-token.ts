/** `windrose explain-token`: a short-lived value with which one may ask for explanations in responses. */
import type { ExplainTokenView } from "../admin/views.js";
import { parseDuration } from "../engine/model/units.js";
import { ADMIN_FLAGS, ADMIN_FLAGS_HELP } from "./admin-client.js";
import { chooseClient, readAnswer } from "./admin-command.js";
import { type CommandText, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { writeJson } from "./terminal.js";

export const FLAGS = {
  ...ADMIN_FLAGS,
  ttl: { type: "string", default: "5m" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage: "explain-token [--ttl 5m] [--json]",
  about: `Prints a signed value for the x-windrose-explain field of requests. Responses to requests that bear it say in
a field of the same name which route, backend and endpoint were chosen and why; others learn nothing. Whoever has
the value can see that, so it lives for a short time only.`,
  flags: [
    ["--ttl DURATION", "how long it is valid, from 1s to 1h (default: 5m)"],
    ...ADMIN_FLAGS_HELP,
    ["--json", "print it with the time of its end as JSON"],
    ["-h, --help", "show this text"],
  ],
  examples: ['curl -H "x-windrose-explain: $(windrose explain-token)" -i https://localhost:8443/orders/1'],
  words: [],
};

const [MIN_TTL_MS, MAX_TTL_MS] = [1000, 3_600_000];

export async function explainToken(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS);
  if (!line.ok) return refuseUsage("explain-token", line.message);
  const { json, help, ttl, ...flags } = line.values;
  if (help) return printHelp(TEXT);
  const ttlMs = parseDuration(ttl);
  if (ttlMs === null || ttlMs < MIN_TTL_MS || ttlMs > MAX_TTL_MS)
    return refuseUsage("explain-token", `--ttl "${ttl}" is not a duration from 1s to 1h`);
  const client = chooseClient("explain-token", flags);
  if (!client.ok) return client.code;
  const answer = await client.value.post("/v1/explain-tokens", { ttlMs });
  const got = readAnswer<ExplainTokenView>(answer, { token: "string", expiresAt: "string" }, { command: "explain-token", isJson: json });
  if (!got.ok) return got.code;
  if (json) writeJson(got.value);
  else {
    process.stdout.write(`${got.value.token}\n`);
    process.stderr.write(`valid until ${got.value.expiresAt}\n`);
  }
  return EXIT.ok;
}
