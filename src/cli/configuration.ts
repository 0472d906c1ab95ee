/** Loads a configuration for a command, and says on stderr what is wrong with it. */
import { type ConfigResult, loadConfig } from "../config/index.js";
import { printProblems } from "./problem-lines.js";
import { plural } from "./terminal.js";

export type LoadedConfiguration = Extract<ConfigResult, { readonly ok: true }>;

/** Null: problems were printed. Warnings are printed and stop nobody. */
export function loadOrComplain(path: string): LoadedConfiguration | null {
  const result = loadConfig(path);
  printProblems(result.ok ? result.warnings : result.problems);
  if (result.ok) return result;
  process.stderr.write(`windrose: ${path} has ${plural(result.problems.length, "problem")}\n`);
  return null;
}
