/** Loads a configuration for a command, and says on stderr what is wrong with it. */
import { type ConfigResult, formatProblem, loadConfig, type Problem } from "../config/index.js";

export type LoadedConfiguration = Extract<ConfigResult, { readonly ok: true }>;

/** Null: problems were printed. Warnings are printed and stop nobody. */
export function loadOrComplain(path: string): LoadedConfiguration | null {
  const result = loadConfig(path);
  printProblems(result.ok ? result.warnings : result.problems);
  if (result.ok) return result;
  const count = result.problems.length;
  process.stderr.write(`windrose: ${path} has ${count} ${count === 1 ? "problem" : "problems"}\n`);
  return null;
}

export function printProblems(problems: readonly Problem[]): void {
  for (const problem of problems) process.stderr.write(`${formatProblem(problem)}\n`);
}
