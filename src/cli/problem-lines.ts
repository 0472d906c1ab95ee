/** Problems of configurations as commands show them: the text of `formatProblem`, in colour where there is some. */
import { formatPlace, type Problem, printable } from "../config/index.js";
import { type Output, type Paint, painter } from "./terminal.js";

export function printProblems(problems: readonly Problem[], output: Output = process.stderr): void {
  const paint = painter(output);
  for (const problem of problems) output.write(`${problemLine(problem, paint)}\n`);
}

/** Place bold, what is wrong red or, for warnings, the word yellow. */
export function problemLine(problem: Problem, paint: Paint): string {
  const { severity, path, message, hint } = problem;
  const words = severity === "warning" ? `${paint("yellow", "warning:")} ${printable(message)}` : paint("red", message);
  return [
    paint("bold", formatPlace(problem)),
    ...(path === "" ? [] : [paint("cyan", path)]),
    words,
    ...(hint === undefined ? [] : [paint("dim", `(${hint})`)]),
  ].join(" ");
}
