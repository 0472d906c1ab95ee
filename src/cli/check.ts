/** `windrose check`: every problem of a configuration with file, line and column, before anything is started. */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { type ConfigResult, formatProblem, jsonSchemaText, loadConfig, type Problem, redactDocument } from "../config/index.js";

/** As in sysexits.h, so that scripts can tell a wrong call from a wrong document. */
const EXIT_OK = 0;
const EXIT_USAGE = 64;
const EXIT_CONFIG = 78;
const EXIT_CANNOT_CREATE = 73;

const HELP = `Usage: windrose check [options] CONFIG

Checks a configuration: a YAML file, or a directory of *.yaml and *.yml files that are
merged in name order. Reports every problem as file:line:column path message (hint).

Options:
  --print              print the effective configuration: defaults filled in, secrets redacted
  --json               print the result as JSON, for scripts
  --write-schema PATH  write the JSON Schema for editors to PATH (no CONFIG needed)
  -h, --help           print this help

Exit codes: 0 it compiles, 64 wrong usage, 78 it does not compile.
`;

const OPTIONS = {
  print: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  "write-schema": { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** @returns the process's exit code */
export async function check(args: string[]): Promise<number> {
  const parsed = parse(args);
  if (typeof parsed === "string") return usageError(parsed);
  const { values, positionals } = parsed;
  if (values.help) {
    process.stdout.write(HELP);
    return EXIT_OK;
  }
  const schemaPath = values["write-schema"];
  if (schemaPath !== undefined && positionals.length === 0) return writeSchema(schemaPath);
  const [path, ...others] = positionals;
  if (schemaPath !== undefined) return usageError("--write-schema takes no CONFIG");
  if (path === undefined) return usageError("which configuration? Give a file or a directory");
  if (others.length > 0) return usageError("one CONFIG at a time; a directory holds several files");
  if (values.json && values.print) return usageError("--json and --print exclude each other");
  return report(path, loadConfig(path), values);
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    return (error as Error).message.split("\n", 1)[0] as string;
  }
}

function usageError(message: string): number {
  process.stderr.write(`windrose check: ${message}\nTry: windrose check --help\n`);
  return EXIT_USAGE;
}

function writeSchema(path: string): number {
  try {
    writeFileSync(path, jsonSchemaText());
  } catch (error) {
    process.stderr.write(`windrose check: cannot write ${path}: ${(error as NodeJS.ErrnoException).code}\n`);
    return EXIT_CANNOT_CREATE;
  }
  process.stdout.write(`wrote ${path}\n`);
  return EXIT_OK;
}

function report(path: string, result: ConfigResult, options: { readonly json: boolean; readonly print: boolean }): number {
  if (options.json) process.stdout.write(`${JSON.stringify(summaryData(result), null, 2)}\n`);
  else reportText(path, result, options.print);
  return result.ok ? EXIT_OK : EXIT_CONFIG;
}

function summaryData(result: ConfigResult) {
  if (!result.ok) return { ok: false, problems: result.problems };
  const { version, listeners, routes, services } = result.snapshot;
  const counts = { listeners: listeners.length, routes: routes.length, services: services.length };
  return { ok: true, version, ...counts, warnings: result.warnings };
}

function reportText(path: string, result: ConfigResult, isPrinting: boolean): void {
  const problems = result.ok ? result.warnings : result.problems;
  for (const problem of problems) process.stderr.write(`${formatLine(problem)}\n`);
  if (!result.ok) {
    process.stderr.write(`${paint("31", "✗")} ${path} does not compile: ${count(problems.length, "problem")}\n`);
    return;
  }
  if (isPrinting) process.stdout.write(stringify(redactDocument(result.document), { lineWidth: 0, aliasDuplicateObjects: false }));
  else process.stdout.write(`${successLine(path, result)}\n`);
}

function successLine(path: string, result: Extract<ConfigResult, { ok: true }>): string {
  const { version, listeners, routes, services } = result.snapshot;
  const parts = [count(listeners.length, "listener"), count(routes.length, "route"), count(services.length, "service")];
  if (result.warnings.length > 0) parts.push(count(result.warnings.length, "warning"));
  return `${paint("32", "✓", process.stdout)} ${path} is good: ${parts.join(", ")} (version ${version})`;
}

function formatLine(problem: Problem): string {
  const line = formatProblem(problem);
  if (!isColoured(process.stderr)) return line;
  const end = line.indexOf(" ");
  return `${paint("1", line.slice(0, end))}${line.slice(end)}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function paint(code: string, text: string, stream: NodeJS.WriteStream = process.stderr): string {
  return isColoured(stream) ? `\u001b[${code}m${text}\u001b[0m` : text;
}

/** https://no-color.org */
function isColoured(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && (process.env.NO_COLOR ?? "") === "";
}
