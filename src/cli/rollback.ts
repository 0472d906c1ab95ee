/** `windrose rollback`: makes a running gateway serve a version again that it served before. */
import { ADMIN_FLAGS, ADMIN_FLAGS_HELP } from "./admin-client.js";
import { chooseClient, readAnswer } from "./admin-command.js";
import { type CommandText, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { type DoneOrder, doneText } from "./outcome-text.js";
import { painter, writeJson } from "./terminal.js";

export const FLAGS = {
  ...ADMIN_FLAGS,
  note: { type: "string", default: "" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage: "rollback VERSION [--note TEXT] [--json]",
  about: `Makes a running gateway serve a version again. VERSION is what \`windrose history\` shows: a version, its first
digits, or a sequence. The files on disk stay as they are: the next change of them is served again.`,
  flags: [
    ["--note TEXT", "why; kept in the history and in the audit log"],
    ...ADMIN_FLAGS_HELP,
    ["--json", "print the outcome as JSON, for scripts"],
    ["-h, --help", "show this text"],
  ],
  examples: ['windrose rollback 3f2a91 --note "checkout fails"'],
  words: [],
};

export async function rollback(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS, 1);
  if (!line.ok) return refuseUsage("rollback", line.message);
  const { json, help, note, ...flags } = line.values;
  if (help) return printHelp(TEXT);
  const [version] = line.positionals;
  if (version === undefined) return refuseUsage("rollback", "which version? windrose history lists them");
  const client = chooseClient("rollback", flags);
  if (!client.ok) return client.code;
  const answer = await client.value.post("/v1/rollback", { version, note });
  const done = readAnswer<DoneOrder>(
    answer,
    { result: "string", version: "string", warnings: "array" },
    { command: "rollback", isJson: json },
  );
  if (!done.ok) return done.code;
  if (json) writeJson(done.value);
  else process.stdout.write(doneText(done.value, painter(process.stdout)));
  return EXIT.ok;
}
