/** What became of an order to change the configuration, for people. */
import type { ApplyResult } from "../admin/views.js";
import type { ConfigProblem, FieldChange, ObjectChange } from "../engine/model/configuration.js";
import { formatElapsed, type Paint, plural } from "./terminal.js";

/** What a 2xx of an order may say. */
export type DoneOrder = Extract<ApplyResult, { readonly result: "applied" | "unchanged" | "planned" }>;

/** Enough to tell versions apart at a glance; commands take it in their place. */
export function shortVersion(version: string): string {
  return version.slice(0, 12);
}

export function doneText(done: DoneOrder, paint: Paint): string {
  const warnings = warningsText(done.warnings, paint);
  const version = paint("bold", shortVersion(done.version));
  if (done.result === "unchanged") return `${warnings}${paint("green", "=")} ${version} is being served already\n`;
  const changes = changesText(done.changes, paint);
  const what = plural(done.changes.length, "object");
  if (done.result === "planned") {
    const roll = done.needsRoll ? "; workers would be replaced one by one" : "";
    return `${warnings}${changes}${paint("yellow", "?")} ${version} would change ${what}${roll}\n`;
  }
  const roll = done.hasRolled ? ", workers were replaced one by one" : "";
  const was = `it was ${shortVersion(done.previous)}`;
  return `${warnings}${changes}${paint("green", "✓")} ${version} is served (${was}): ${what}, ${formatElapsed(done.durationMs)}${roll}\n`;
}

function warningsText(warnings: readonly ConfigProblem[], paint: Paint): string {
  return warnings
    .map(
      ({ file, line, column, path, message }) =>
        `${paint("yellow", "!")} ${paint("dim", `${file}:${line}:${column} ${path}`)} ${paint("yellow", message)}\n`,
    )
    .join("");
}

const SIGNS = { added: ["green", "+"], removed: ["red", "-"], changed: ["yellow", "~"], moved: ["blue", "↕"] } as const;
/** Of a value in one line. */
const MAX_SHOWN = 60;

export function changesText(changes: readonly ObjectChange[], paint: Paint): string {
  return changes.map((change) => changeText(change, paint)).join("");
}

function changeText({ kind, name, change, fields }: ObjectChange, paint: Paint): string {
  const [style, sign] = SIGNS[change] ?? (["yellow", "~"] as const);
  const head = `${paint(style, sign)} ${paint("bold", name === "" ? kind : `${kind} ${name}`)}\n`;
  return head + fields.map((field) => fieldText(field, paint)).join("");
}

function fieldText({ path, before, after }: FieldChange, paint: Paint): string {
  const values = `${paint("red", shown(before))} → ${paint("green", shown(after))}`;
  return `    ${paint("dim", path === "" ? "value" : path)}  ${values}\n`;
}

function shown(value: unknown): string {
  const text = value === null || value === undefined ? "none" : typeof value === "string" ? value : JSON.stringify(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 1)}…` : text;
}
