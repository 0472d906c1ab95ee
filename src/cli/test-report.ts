/** The result of route tests for people: what failed, what was expected, what happened, and why. */
import type { Mismatch } from "../control/simulation/check-expectation.js";
import { formatCount, type Paint, plural } from "./terminal.js";

export interface TestReport {
  readonly name: string;
  /** `file:line`. */
  readonly place: string;
  readonly request: string;
  readonly durationMs: number;
  readonly ok: boolean;
  readonly mismatches: readonly Mismatch[];
}

export interface FileReport {
  readonly file: string;
  readonly tests: readonly TestReport[];
}

export function totalsOf(reports: readonly FileReport[]): { passed: number; failed: number; total: number } {
  const tests = reports.flatMap((report) => report.tests);
  const passed = tests.filter(({ ok }) => ok).length;
  return { passed, failed: tests.length - passed, total: tests.length };
}

export function reportText(reports: readonly FileReport[], paint: Paint): string {
  const { passed, failed, total } = totalsOf(reports);
  const files = reports.map((report) => fileText(report, paint)).join("");
  const of = reports.length === 1 ? "" : ` in ${plural(reports.length, "file")}`;
  if (failed === 0) return `${files}${paint("green", `✓ ${plural(total, "test")} passed${of}`)}\n`;
  return `${files}${paint("red", `✗ ${formatCount(failed)} of ${plural(total, "test")} failed${of}`)}, ${formatCount(passed)} passed\n`;
}

function fileText({ file, tests }: FileReport, paint: Paint): string {
  const lines = tests.map((test) => (test.ok ? `  ${paint("green", "✓")} ${paint("dim", test.name)}\n` : failureText(test, paint)));
  return `${paint("bold", file)}\n${lines.join("")}`;
}

function failureText({ name, place, request, mismatches }: TestReport, paint: Paint): string {
  const lines = mismatches.flatMap(({ what, expected, got, why }) => [
    `      ${paint("bold", what)}`,
    `        expected  ${paint("green", expected)}`,
    `        got       ${paint("red", got)}`,
    ...why.map((reason) => `        because   ${paint("dim", reason)}`),
  ]);
  return `  ${paint("red", "✗")} ${paint("bold", name)}\n      ${paint("dim", `${place}  ${request}`)}\n${lines.join("\n")}\n`;
}
