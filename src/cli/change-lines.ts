/** Changes of objects as text: what came, what went, and what is different in which field. */
import { printable, REDACTED } from "../config/index.js";
import type { FieldChange, ObjectChange } from "../engine/model/configuration.js";
import { displayWidth, type Paint, plural } from "./terminal.js";

/** Longer values are cut: a body or a certificate would drown what matters. */
const MAX_VALUE_LENGTH = 160;
/** Longer paths are not what values are aligned to. */
const MAX_ALIGNED = 48;

export interface ChangeLinesOptions {
  readonly paint: Paint;
  /** Before every line. */
  readonly indent?: string;
  /** Of one object; what is more is counted. Default: all. */
  readonly maxFields?: number;
}

/** An object a line, its fields below it; each line with its newline. */
export function changeLines(changes: readonly ObjectChange[], options: ChangeLinesOptions): string {
  const { indent = "" } = options;
  return changes
    .flatMap((change) => objectLines(change, options))
    .map((line) => `${indent}${line}\n`)
    .join("");
}

/** `2 changed, 1 added`. */
export function changeSummary(changes: readonly ObjectChange[]): string {
  const kinds = ["added", "removed", "changed", "moved"] as const;
  const counts = kinds.map((kind) => [kind, changes.filter(({ change }) => change === kind).length] as const);
  const words = counts.filter(([, count]) => count > 0).map(([kind, count]) => `${count} ${kind}`);
  return `${plural(changes.length, "difference")}: ${words.join(", ")}`;
}

function objectLines(
  { kind, name, change, fields }: ObjectChange,
  { paint, maxFields = Number.POSITIVE_INFINITY }: ChangeLinesOptions,
): string[] {
  const object = name === "" ? kind : `${kind}/${name}`;
  if (change === "added") return [paint("green", `+ ${object}`)];
  if (change === "removed") return [paint("red", `- ${object}`)];
  if (change === "moved") return [`${paint("yellow", `> ${object}`)}  moved${fields.map((field) => ` ${values(field, paint)}`).join("")}`];
  const shown = fields.slice(0, maxFields);
  const width = Math.min(MAX_ALIGNED, Math.max(0, ...shown.map(({ path }) => displayWidth(path))));
  const more = fields.length - shown.length;
  return [
    paint("yellow", `~ ${object}`),
    ...shown.map((field) => `    ${pathText(field.path, width)}${values(field, paint)}`),
    ...(more > 0 ? [`    ${paint("dim", `and ${plural(more, "field")} more`)}`] : []),
  ];
}

/** A block that is one value has no path. */
function pathText(path: string, width: number): string {
  return path === "" ? "" : `${printable(path)}${" ".repeat(Math.max(0, width - displayWidth(path)))}  `;
}

function values({ before, after }: FieldChange, paint: Paint): string {
  if (before === REDACTED && after === REDACTED) return paint("dim", "changed (secret)");
  if (before === null) return paint("green", `+ ${shortValue(after)}`);
  if (after === null) return paint("red", `- ${shortValue(before)}`);
  return `${paint("red", shortValue(before))} → ${paint("green", shortValue(after))}`;
}

/** Plain words as they are, everything else as JSON. */
function shortValue(value: unknown): string {
  const text = typeof value === "string" && /^[^\s"'{}[\],][^\s"']*$/.test(value) ? value : JSON.stringify(value);
  return text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH)}…` : text;
}
