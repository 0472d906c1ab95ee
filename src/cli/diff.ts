/** `windrose diff`: what two configurations do not agree on; of files, of a gateway that runs, or of its history on disk. */
import { existsSync } from "node:fs";
import { type ConfigResult, diffDocuments, folderOf, loadConfig, loadTexts } from "../config/index.js";
import { openHistory } from "../control/open-history.js";
import type { ObjectChange, StoredVersion } from "../engine/model/configuration.js";
import { ADMIN_FLAGS, ADMIN_FLAGS_HELP, type AdminFlags, createAdminClient } from "./admin-client.js";
import { changeLines, changeSummary } from "./change-lines.js";
import { type CommandText, fail, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { printProblems } from "./problem-lines.js";
import { painter, plural, writeJson } from "./terminal.js";

export const FLAGS = {
  ...ADMIN_FLAGS,
  state: { type: "string" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage: "diff A B [--admin URL | --state DIR] [--json]",
  about: `Compares two configurations object by object: A and B are files or directories; with --admin versions of a
gateway that runs, with --state versions in its history on disk. A version is its id or the first digits of it, its
number (#12), latest, or latest~1 for the one before it. Secrets that differ are reported and not shown.`,
  flags: [
    ...ADMIN_FLAGS_HELP,
    ["--state DIR", "the state directory of a gateway, which need not run"],
    ["--json", "print the differences as JSON, for scripts"],
    ["-h, --help", "show this text"],
  ],
  examples: ["windrose diff config/quickstart.yaml new.yaml", "windrose diff --admin http://127.0.0.1:9901 latest~1 latest"],
};

interface Comparison {
  /** Versions, not names. */
  readonly from: string;
  readonly to: string;
  readonly changes: readonly ObjectChange[];
}

/** Or the exit code, when what is wrong has been said. */
type Compared = Comparison | number;

export async function diff(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS, 2);
  if (!line.ok) return refuseUsage("diff", line.message);
  const { json, help, state, ...flags } = line.values;
  if (help) return printHelp(TEXT);
  const [a, b] = line.positionals;
  if (a === undefined || b === undefined) return refuseUsage("diff", "say which two: A and B");
  if (flags.admin !== undefined && state !== undefined) return refuseUsage("diff", "--admin and --state exclude each other");
  const compared = await compare([a, b], flags, state);
  if (typeof compared === "number") return compared;
  if (json) writeJson(compared);
  else process.stdout.write(comparisonText(compared));
  return compared.changes.length === 0 ? EXIT.ok : EXIT.differences;
}

type Pair = readonly [a: string, b: string];

async function compare(pair: Pair, flags: AdminFlags, state: string | undefined): Promise<Compared> {
  if (flags.admin !== undefined) return await compareLive(pair, flags);
  return state === undefined ? compareFiles(pair) : compareHistory(pair, state);
}

function comparisonText({ from, to, changes }: Comparison): string {
  const paint = painter(process.stdout);
  if (changes.length === 0) return `no differences (version ${from})\n`;
  return `${changeLines(changes, { paint })}${paint("dim", `${changeSummary(changes)} (${from} → ${to})`)}\n`;
}

function compareFiles([a, b]: Pair): Compared {
  const version = [a, b].find((operand) => /^([0-9a-f]{4,16}|#\d+|latest|(latest)?~\d*)$/.test(operand) && !existsSync(operand));
  if (version !== undefined) return refuseUsage("diff", `there is no file ${version}; versions need --admin or --state`);
  return compareLoaded({ name: a, result: loadConfig(a) }, { name: b, result: loadConfig(b) });
}

interface Side {
  readonly name: string;
  readonly result: ConfigResult;
}

/** Warnings are the business of `check`. */
function compareLoaded(a: Side, b: Side): Compared {
  if (a.result.ok && b.result.ok) {
    const changes = diffDocuments(a.result.document, b.result.document);
    return { from: a.result.snapshot.version, to: b.result.snapshot.version, changes };
  }
  const broken = [a, b].flatMap(({ name, result }) => (result.ok ? [] : [{ name, problems: result.problems }]));
  for (const { problems } of broken) printProblems(problems);
  const words = broken.map(({ name, problems }) => `${name} has ${plural(problems.length, "problem")}`);
  return fail("diff", words.join("; "), EXIT.configuration);
}

function compareHistory([a, b]: Pair, directory: string): Compared {
  const history = openHistory(directory, (notice) => process.stderr.write(`windrose diff: ${notice}\n`));
  if (typeof history === "string") return fail("diff", history);
  const [before, after] = [history.find(a), history.find(b)];
  if (!before.isFound) return fail("diff", before.message);
  if (!after.isFound) return fail("diff", after.message);
  return compareLoaded(loadVersion(before.version), loadVersion(after.version));
}

/** With the files that it points to as they are now. */
function loadVersion({ version, path, texts }: StoredVersion): Side {
  return { name: `version ${version}`, result: loadTexts(folderOf(path), texts) };
}

async function compareLive([a, b]: Pair, flags: AdminFlags): Promise<Compared> {
  const client = createAdminClient(flags);
  if (!client.ok) return fail("diff", client.message, client.code);
  const answer = await client.value.get(`/v1/versions/${pathSegment(a)}/diff/${pathSegment(b)}`);
  if (!answer.ok) return fail("diff", answer.message, answer.code);
  return comparisonOf(answer.body) ?? fail("diff", `${client.value.name} gave no differences`);
}

/** In a path `#` would begin a fragment; a bare number is a sequence as well. */
function pathSegment(id: string): string {
  return encodeURIComponent(id.replace(/^#(?=\d+$)/, ""));
}

/** Another version of Windrose may answer in another form. */
function comparisonOf(body: unknown): Comparison | null {
  const { from, to, changes } = (body ?? {}) as Partial<Comparison>;
  const isComparison = typeof from === "string" && typeof to === "string" && Array.isArray(changes) && changes.every(isChange);
  return isComparison ? { from, to, changes: changes as readonly ObjectChange[] } : null;
}

function isChange(value: unknown): boolean {
  const { kind, name, change, fields } = (value ?? {}) as Partial<Record<keyof ObjectChange, unknown>>;
  const areTexts = [kind, name, change].every((member) => typeof member === "string");
  return areTexts && Array.isArray(fields) && fields.every((field) => typeof (field as { path?: unknown } | null)?.path === "string");
}
