/** What can be wrong with a configuration, and how a person reads it. Nothing here decides what is wrong. */

import type { ConfigProblem } from "../engine/model/configuration.js";

export type Problem = ConfigProblem;
export type ProblemSeverity = Problem["severity"];

export type DocumentPath = readonly (string | number)[];

/** `file:line:column path message (hint)`, with `warning:` before the message of a warning. */
export function formatProblem(problem: Problem): string {
  const path = problem.path === "" ? "" : `${problem.path} `;
  const hint = problem.hint === undefined ? "" : ` (${problem.hint})`;
  return printable(`${formatPlace(problem)} ${path}${problem.severity === "warning" ? "warning: " : ""}${problem.message}${hint}`);
}

/** `file:line:column`, or the file alone. */
export function formatPlace({ file, line, column }: Problem): string {
  return line === 0 ? file : `${file}:${line}:${column}`;
}

/** Data must not be able to send control sequences to the terminal of whoever looks at it, or to turn its text around. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}|[\u2028-\u202e\u2066-\u2069]/gu, "\uFFFD");
}

export function formatPath(path: DocumentPath): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (!/^[A-Za-z_][\w-]*$/.test(part)) text += `[${JSON.stringify(part)}]`;
    else text += text === "" ? part : `.${part}`;
  }
  return text;
}

/** Document order, so that a list of problems can be worked through from top to bottom. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  return [...problems].sort((a, b) => compareText(a.file, b.file) || a.line - b.line || a.column - b.column || compareText(a.path, b.path));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
