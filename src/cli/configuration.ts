/** Loads a configuration for a command that is going to use it, and says on stderr what is wrong with it. */
import { formatProblem } from "../config/problems.js";
import { loadConfig } from "../config/load.js";
import { redactDocument } from "../config/redact.js";
import type { Snapshot } from "../engine/model/snapshot.js";

export interface LoadedConfiguration {
  readonly snapshot: Snapshot;
  /** What operators may see of it. */
  readonly redactedDocument: unknown;
}

/** Null: problems were printed. Warnings are printed and do not stop anybody. */
export function loadOrComplain(path: string): LoadedConfiguration | null {
  const result = loadConfig(path);
  const problems = result.ok ? result.warnings : result.problems;
  for (const problem of problems) process.stderr.write(`${formatProblem(problem)}\n`);
  if (result.ok) return { snapshot: result.snapshot, redactedDocument: redactDocument(result.document) };
  const errors = problems.filter((problem) => problem.severity === "error").length;
  process.stderr.write(`windrose: ${path} has ${errors} ${errors === 1 ? "problem" : "problems"}; nothing was started\n`);
  return null;
}
