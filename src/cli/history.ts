/** `windrose history`: the versions of its configuration that a running gateway remembers. */
import type { ConfigVersion } from "../engine/model/configuration.js";
import { ADMIN_FLAGS, ADMIN_FLAGS_HELP } from "./admin-client.js";
import { chooseClient, readAnswer } from "./admin-command.js";
import { type CommandText, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { shortVersion } from "./outcome-text.js";
import { type Cell, formatElapsed, formatTable, type Paint, painter, writeJson } from "./terminal.js";

export const FLAGS = {
  ...ADMIN_FLAGS,
  limit: { type: "string", short: "n", default: "20" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage: "history [--limit N] [--json]",
  about: `Lists the versions of its configuration that a running gateway remembers, newest first, and marks the one that it
serves. windrose diff compares two of them, windrose rollback goes back to one.`,
  flags: [
    ["-n, --limit N", "so many at most (default: 20)"],
    ...ADMIN_FLAGS_HELP,
    ["--json", "print them as JSON, for scripts"],
    ["-h, --help", "show this text"],
  ],
  examples: ["windrose history -n 5"],
  words: [],
};

interface VersionList {
  readonly served: string;
  readonly versions: readonly ConfigVersion[];
}

export async function history(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS);
  if (!line.ok) return refuseUsage("history", line.message);
  const { json, help, limit, ...flags } = line.values;
  if (help) return printHelp(TEXT);
  if (!/^[1-9]\d{0,8}$/.test(limit)) return refuseUsage("history", `--limit "${limit}" is not a number from 1`);
  const client = chooseClient("history", flags);
  if (!client.ok) return client.code;
  const asking = { command: "history", isJson: json };
  const list = readAnswer<VersionList>(await client.value.get("/v1/versions"), { served: "string", versions: "array" }, asking);
  if (!list.ok) return list.code;
  const shown = { ...list.value, versions: list.value.versions.slice(0, Number(limit)) };
  if (json) writeJson(shown);
  else process.stdout.write(historyText(shown, painter(process.stdout), Date.now()));
  return EXIT.ok;
}

export function historyText({ served, versions }: VersionList, paint: Paint, nowMs: number): string {
  const headings = ["", "#", "version", "accepted", "", "source", "by", "note"].map((text): Cell => ({ text, style: "dim" }));
  // The same version may have been accepted several times; the latest is the one that counts.
  const current = versions.find(({ version }) => version === served)?.sequence;
  const rows = versions.map(({ sequence, version, acceptedAt, source, author, note }): (string | Cell)[] => [
    sequence === current ? { text: "*", style: "green" } : " ",
    String(sequence),
    { text: shortVersion(version), style: sequence === current ? "green" : "bold" },
    acceptedAt.replace("T", " ").replace(/\..*$/, ""),
    { text: `${formatElapsed(nowMs - Date.parse(acceptedAt))} ago`, style: "dim" },
    source,
    author === "" ? "-" : author,
    note,
  ]);
  return formatTable([headings, ...rows], { paint, right: [1] });
}
