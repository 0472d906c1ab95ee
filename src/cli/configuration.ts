/** Loads a configuration for a command that is going to use it, and says on stderr what is wrong with it. */
import { formatProblem, loadConfig, type Problem, redactDocument } from "../config/index.js";
import type { Snapshot } from "../engine/model/snapshot.js";

export interface LoadedConfiguration {
  readonly snapshot: Snapshot;
  /** What operators may see of it. */
  readonly redactedDocument: unknown;
}

/** Null: problems were printed. Warnings are printed and stop nobody. */
export function loadOrComplain(path: string): LoadedConfiguration | null {
  const result = loadConfig(path);
  printProblems(result.ok ? result.warnings : result.problems);
  if (result.ok) return { snapshot: result.snapshot, redactedDocument: redactDocument(result.document) };
  const count = result.problems.length;
  process.stderr.write(`windrose: ${path} has ${count} ${count === 1 ? "problem" : "problems"}; nothing was started\n`);
  return null;
}

function printProblems(problems: readonly Problem[]): void {
  for (const problem of problems) process.stderr.write(`${formatProblem(problem)}\n`);
}
