/** `windrose plan`: what a new configuration changes, by object, and by the traffic that a log has recorded. */
import { diffDocuments, type LoadedDocument } from "../config/index.js";
import { Replay } from "../control/simulation/replay.js";
import { createSimulator } from "../control/simulation/simulator.js";
import type { Snapshot } from "../engine/model/snapshot.js";
import { type CommandText, fail, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { loadOrComplain } from "./configuration.js";
import { EXIT } from "./exit-codes.js";
import { type LogSource, openLog } from "./plan-lines.js";
import { type Plan, planText } from "./plan-report.js";
import { createProgress, painter, writeJson } from "./terminal.js";

export const FLAGS = {
  replay: { type: "string" },
  examples: { type: "string", default: "3" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

const MAX_EXAMPLES = 1_000;

export const TEXT: CommandText = {
  usage: "plan OLD NEW [--replay ACCESS-LOG] [--examples N] [--json]",
  about: `Compares two configurations: the objects that change and, with --replay, the recorded requests whose route,
verdict, rewrite, response or backends change, by count and share. Nothing is started and nothing is sent.
What the log does not hold is said: headers and queries that routes match, tokens (they are taken for good).`,
  flags: [
    ["--replay FILE", "an access log of Windrose, plain or gzip; - for standard input"],
    ["--examples N", "examples per kind of difference (default: 3)"],
    ["--json", "print the result as JSON, for scripts"],
    ["-h, --help", "show this text"],
  ],
  examples: ["windrose plan live.yaml next.yaml --replay /var/log/windrose/access.log"],
};

interface Side {
  readonly path: string;
  readonly snapshot: Snapshot;
  readonly document: LoadedDocument;
}

export async function plan(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS, 2);
  if (!line.ok) return refuseUsage("plan", line.message);
  const { replay: logPath, examples, json, help } = line.values;
  if (help) return printHelp(TEXT);
  const [oldPath, newPath] = line.positionals;
  if (oldPath === undefined || newPath === undefined) return refuseUsage("plan", "which configurations? Give the old one and the new one");
  const maxExamples = Number(examples);
  if (!/^\d{1,4}$/.test(examples) || maxExamples > MAX_EXAMPLES)
    return refuseUsage("plan", `--examples must be a number up to ${MAX_EXAMPLES}`);
  const [before, after] = [loadSide(oldPath), loadSide(newPath)];
  if (before === null || after === null) return EXIT.configuration;
  const replayed = logPath === undefined ? null : await replay(logPath, before, after, maxExamples);
  if (typeof replayed === "string") return fail("plan", replayed);
  return report(before, after, replayed, json);
}

function loadSide(path: string): Side | null {
  const loaded = loadOrComplain(path);
  return loaded === null ? null : { path, snapshot: loaded.snapshot, document: loaded.document };
}

function report(before: Side, after: Side, replayed: Plan["replay"], isJson: boolean): number {
  const result: Plan = {
    old: { path: before.path, version: before.snapshot.version },
    new: { path: after.path, version: after.snapshot.version },
    changes: diffDocuments(before.document, after.document),
    replay: replayed,
  };
  if (isJson) writeJson(result);
  else process.stdout.write(planText(result, painter(process.stdout)));
  return result.changes.length > 0 || (replayed?.different ?? 0) > 0 ? EXIT.differences : EXIT.ok;
}

/** The text says why the log could not be read to its end: shares of a part of it would mislead. */
async function replay(path: string, before: Side, after: Side, maxExamples: number): Promise<Plan["replay"] | string> {
  let source: LogSource;
  try {
    source = openLog(path);
  } catch (error) {
    return `cannot read ${path}: ${reasonOf(error)}`;
  }
  const run = new Replay(createSimulator(before.snapshot), createSimulator(after.snapshot), { maxExamples });
  const progress = createProgress({ label: "Replaying", total: source.totalBytes });
  try {
    await source.read(run, (bytes) => progress.update(source.totalBytes === 0 ? run.lines : bytes));
  } catch (error) {
    return `${source.name} could not be read beyond line ${run.lines}: ${reasonOf(error)}`;
  } finally {
    progress.end();
  }
  return { log: source.name, ...run.result() };
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "no such file";
  if (code?.startsWith("Z_") === true) return "its compressed data is damaged or cut off";
  return code ?? message;
}
