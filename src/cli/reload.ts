/** `windrose reload`: tells a running gateway to read its configuration again. */
import { ADMIN_FLAGS, ADMIN_FLAGS_HELP } from "./admin-client.js";
import { chooseClient, readAnswer } from "./admin-command.js";
import { type CommandText, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { type DoneOrder, doneText } from "./outcome-text.js";
import { painter, writeJson } from "./terminal.js";

export const FLAGS = {
  ...ADMIN_FLAGS,
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage: "reload [--json]",
  about: `Tells a running gateway to read its configuration from disk and to serve it. It also does so by itself when the
files change. A configuration with problems changes nothing; the problems are listed.`,
  flags: [...ADMIN_FLAGS_HELP, ["--json", "print the outcome as JSON, for scripts"], ["-h, --help", "show this text"]],
  examples: ["windrose reload --admin unix:/run/windrose/admin.sock"],
  words: [],
};

export async function reload(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS);
  if (!line.ok) return refuseUsage("reload", line.message);
  const { json, help, ...flags } = line.values;
  if (help) return printHelp(TEXT);
  const client = chooseClient("reload", flags);
  if (!client.ok) return client.code;
  const answer = await client.value.post("/v1/reload", {});
  const done = readAnswer<DoneOrder>(
    answer,
    { result: "string", version: "string", warnings: "array" },
    { command: "reload", isJson: json },
  );
  if (!done.ok) return done.code;
  if (json) writeJson(done.value);
  else process.stdout.write(doneText(done.value, painter(process.stdout)));
  return EXIT.ok;
}
