/** What became of an order to change the configuration, for people. */
import type { ApplyResult } from "../admin/views.js";
import type { ConfigProblem } from "../engine/model/configuration.js";
import { changeLines } from "./change-lines.js";
import { problemLine } from "./problem-lines.js";
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
  const changes = changeLines(done.changes, { paint });
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
  return warnings.map((warning) => `${problemLine(warning, paint)}\n`).join("");
}
