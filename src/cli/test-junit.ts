/** The result of route tests as JUnit XML, in the subset that CI systems agree on. */
import type { FileReport, TestReport } from "./test-report.js";

export function junitText(reports: readonly FileReport[]): string {
  const suites = reports.map(suiteText).join("");
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites${counts(reports.flatMap(({ tests }) => tests))} name="windrose test">\n${suites}</testsuites>\n`;
}

function suiteText({ file, tests }: FileReport): string {
  return `  <testsuite name="${escaped(file)}"${counts(tests)} errors="0" skipped="0">\n${tests.map((test) => caseText(file, test)).join("")}  </testsuite>\n`;
}

function counts(tests: readonly TestReport[]): string {
  const failures = tests.filter(({ ok }) => !ok).length;
  const durationMs = tests.reduce((sum, test) => sum + test.durationMs, 0);
  return ` tests="${tests.length}" failures="${failures}" time="${seconds(durationMs)}"`;
}

function caseText(file: string, test: TestReport): string {
  const line = /:(\d+)$/.exec(test.place)?.[1] ?? "1";
  const head = `    <testcase name="${escaped(test.name)}" classname="${escaped(file)}" file="${escaped(file)}" line="${line}" time="${seconds(test.durationMs)}"`;
  if (test.ok) return `${head}/>\n`;
  const message = test.mismatches.map(({ what, expected, got }) => `${what}: expected ${expected}, got ${got}`).join("; ");
  const details = test.mismatches.flatMap(({ what, expected, got, why }) => [
    `${what}: expected ${expected}, got ${got}`,
    ...why.map((reason) => `  because ${reason}`),
  ]);
  const text = [test.request, ...details].join("\n");
  return `${head}>\n      <failure type="mismatch" message="${escaped(message)}">${escaped(text)}</failure>\n    </testcase>\n`;
}

function seconds(durationMs: number): string {
  return (durationMs / 1000).toFixed(6);
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };

/** For attributes and text. What XML 1.0 §2.2 has no place for, even as a reference, becomes U+FFFD. */
export function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "\uFFFD")
    .replace(/[&<>"']/g, (character) => ENTITIES[character] as string)
    .replace(/[\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}
