/** `windrose apply`: sends a configuration to a running gateway; with a guard it waits for the guard's decision. */
import type { ConfigText } from "../engine/model/configuration.js";
import { parseDuration } from "../engine/model/units.js";
import { ADMIN_FLAGS, ADMIN_FLAGS_HELP } from "./admin-client.js";
import { chooseClient, type Got, printProblems, readAnswer } from "./admin-command.js";
import { readTexts } from "./apply-texts.js";
import { type CommandText, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { followGuard } from "./guard-watch.js";
import { type DoneOrder, doneText } from "./outcome-text.js";
import { painter, writeJson } from "./terminal.js";

export const FLAGS = {
  ...ADMIN_FLAGS,
  guard: { type: "string" },
  "max-error-rate": { type: "string" },
  note: { type: "string", default: "" },
  "dry-run": { type: "boolean", default: false },
  detach: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage: "apply FILE|FOLDER|- [--guard 30s --max-error-rate 2%] [--note TEXT] [--dry-run]",
  about: `Sends a configuration to a running gateway, which checks it and serves it. Relative paths in it start in the
gateway's configuration folder. With --guard the gateway watches the routes that change, and goes back by itself
when they fail more often than before; the command waits for that decision: 0 kept, 1 rolled back.`,
  flags: [
    ["--guard DURATION", "watch the routes that change for so long, from 1s to 24h"],
    ["--max-error-rate RATE", "how much the share of failed requests may grow, such as 2% or 0.02 (default: 2%)"],
    ["--detach", "do not wait for the guard"],
    ["--note TEXT", "why; kept in the history and in the audit log"],
    ["--dry-run", "show what would change, and change nothing"],
    ...ADMIN_FLAGS_HELP,
    ["--json", "print the outcome as JSON, for scripts"],
    ["-h, --help", "show this text"],
  ],
  examples: [
    "windrose apply windrose.yaml --dry-run",
    'windrose apply windrose.yaml --guard 30s --max-error-rate 2% --note "new checkout"',
  ],
};

interface GuardPolicy {
  readonly durationMs: number;
  readonly maxErrorRate: number;
}

const [MIN_GUARD_MS, MAX_GUARD_MS] = [1000, 86_400_000];
const DEFAULT_MAX_ERROR_RATE = 0.02;
const DONE_FIELDS = { result: "string", version: "string", warnings: "array" } as const;

export async function apply(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS, 1);
  if (!line.ok) return refuseUsage("apply", line.message);
  const { json, help, note, detach, guard, "dry-run": isDryRun, "max-error-rate": rate, ...flags } = line.values;
  if (help) return printHelp(TEXT);
  const [path] = line.positionals;
  if (path === undefined) return refuseUsage("apply", "which configuration? Give a file, a folder, or - for standard input");
  const policy = readPolicy(guard, rate);
  if (typeof policy === "string") return refuseUsage("apply", policy);
  if (policy !== null && isDryRun) return refuseUsage("apply", "--guard and --dry-run exclude each other");
  if (policy === null && detach) return refuseUsage("apply", "--detach means something with --guard only");
  const client = chooseClient("apply", flags);
  if (!client.ok) return client.code;
  const texts = readDocument(path);
  if (!texts.ok) return texts.code;
  const asking = { command: "apply", isJson: json };
  const done = readAnswer<DoneOrder>(
    await client.value.post("/v1/apply", { texts: texts.value, note, guard: policy, isDryRun }),
    DONE_FIELDS,
    asking,
  );
  if (!done.ok) return done.code;
  if (!json) process.stdout.write(doneText(done.value, painter(process.stdout)));
  if (policy !== null && done.value.result === "applied" && !detach) {
    return await followGuard(client.value, { done: done.value, durationMs: policy.durationMs, isJson: json });
  }
  if (json) writeJson(done.value);
  return EXIT.ok;
}

function readDocument(path: string): Got<readonly ConfigText[]> {
  const read = readTexts(path);
  if (read.problems.length === 0) return { ok: true, value: read.texts };
  printProblems(read.problems);
  return { ok: false, code: EXIT.configuration };
}

/** A sentence when the flags make no policy. */
function readPolicy(guard: string | undefined, rate: string | undefined): GuardPolicy | null | string {
  if (guard === undefined) return rate === undefined ? null : "--max-error-rate means something with --guard only";
  const durationMs = parseDuration(guard);
  if (durationMs === null || durationMs < MIN_GUARD_MS || durationMs > MAX_GUARD_MS)
    return `--guard "${guard}" is not a duration from 1s to 24h`;
  const maxErrorRate = rate === undefined ? DEFAULT_MAX_ERROR_RATE : parseShare(rate);
  return maxErrorRate === null ? `--max-error-rate "${rate}" is not a share such as 2% or 0.02` : { durationMs, maxErrorRate };
}

/** `2%` or `0.02`; a bare 2 would be read as either. */
export function parseShare(text: string): number | null {
  const [, digits = "", percent] = /^(\d{1,3}(?:\.\d{1,6})?|\.\d{1,6})(%?)$/.exec(text) ?? [];
  if (digits === "") return null;
  const share = Number(digits) / (percent === "%" ? 100 : 1);
  return share <= 1 && (percent === "%" || share < 1 || digits === "1.0") ? share : null;
}
