/** `windrose check`: every problem of a configuration with file, line and column, before anything is started. */
import { writeFileSync } from "node:fs";
import { stringify } from "yaml";
import { type ConfigResult, jsonSchemaText, loadConfig, redactDocument } from "../config/index.js";
import { type CommandText, fail, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { printProblems } from "./problem-lines.js";
import { painter, plural, writeJson } from "./terminal.js";

export const FLAGS = {
  print: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  "write-schema": { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage: "check CONFIG [--print | --json]",
  about: `Checks a configuration: a YAML file, or a directory of *.yaml and *.yml files that are merged in name order.
Reports every problem as file:line:column path message (hint).`,
  flags: [
    ["--print", "print the effective configuration: defaults filled in, secrets redacted"],
    ["--json", "print the result as JSON, for scripts"],
    ["--write-schema PATH", "write the JSON Schema for editors to PATH (no CONFIG needed)"],
    ["-h, --help", "show this text"],
  ],
  examples: ["windrose check config/quickstart.yaml"],
};

export async function check(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS, 2);
  if (!line.ok) return refuseUsage("check", line.message);
  const { values, positionals } = line;
  if (values.help) return printHelp(TEXT);
  const schemaPath = values["write-schema"];
  const [path, ...others] = positionals;
  if (schemaPath !== undefined && path === undefined) return writeSchema(schemaPath);
  if (schemaPath !== undefined) return refuseUsage("check", "--write-schema takes no CONFIG");
  if (path === undefined) return refuseUsage("check", "which configuration? Give a file or a directory");
  if (others.length > 0) return refuseUsage("check", "one CONFIG at a time; a directory holds several files");
  if (values.json && values.print) return refuseUsage("check", "--json and --print exclude each other");
  return report(path, loadConfig(path), values);
}

function writeSchema(path: string): number {
  try {
    writeFileSync(path, jsonSchemaText());
  } catch (error) {
    return fail("check", `cannot write ${path}: ${(error as NodeJS.ErrnoException).code}`, EXIT.cannotCreate);
  }
  process.stdout.write(`wrote ${path}\n`);
  return EXIT.ok;
}

function report(path: string, result: ConfigResult, options: { readonly json: boolean; readonly print: boolean }): number {
  if (options.json) writeJson(summaryData(result));
  else reportText(path, result, options.print);
  return result.ok ? EXIT.ok : EXIT.configuration;
}

function summaryData(result: ConfigResult) {
  if (!result.ok) return { ok: false, problems: result.problems };
  const { version, listeners, routes, services } = result.snapshot;
  const counts = { listeners: listeners.length, routes: routes.length, services: services.length };
  return { ok: true, version, ...counts, warnings: result.warnings };
}

function reportText(path: string, result: ConfigResult, isPrinting: boolean): void {
  const problems = result.ok ? result.warnings : result.problems;
  printProblems(problems);
  if (!result.ok) {
    process.stderr.write(`${painter(process.stderr)("red", "✗")} ${path} does not compile: ${plural(problems.length, "problem")}\n`);
    return;
  }
  if (isPrinting) process.stdout.write(stringify(redactDocument(result.document), { lineWidth: 0, aliasDuplicateObjects: false }));
  else process.stdout.write(`${successLine(path, result)}\n`);
}

function successLine(path: string, result: Extract<ConfigResult, { ok: true }>): string {
  const { version, listeners, routes, services } = result.snapshot;
  const parts = [plural(listeners.length, "listener"), plural(routes.length, "route"), plural(services.length, "service")];
  if (result.warnings.length > 0) parts.push(plural(result.warnings.length, "warning"));
  return `${painter(process.stdout)("green", "✓")} ${path} is good: ${parts.join(", ")} (version ${version})`;
}
