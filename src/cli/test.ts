/** `windrose test`: route tests against a configuration, without a gateway. */
import { writeFileSync } from "node:fs";
import { loadRouteTests, type Problem, type RouteTest, routeTestsSchemaText } from "../config/index.js";
import { checkExpectation } from "../control/simulation/check-expectation.js";
import { type DescribedRequest, readDescription } from "../control/simulation/described-request.js";
import { createSimulator, type Simulator } from "../control/simulation/simulator.js";
import { type CommandText, fail, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { loadOrComplain } from "./configuration.js";
import { EXIT } from "./exit-codes.js";
import { printProblems } from "./problem-lines.js";
import { painter, plural, writeJson } from "./terminal.js";
import { junitText } from "./test-junit.js";
import { type FileReport, reportText, type TestReport, totalsOf } from "./test-report.js";

const MAX_FILES = 10_000;

export const FLAGS = {
  junit: { type: "string" },
  json: { type: "boolean", default: false },
  "write-schema": { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage: "test CONFIG TESTS... [--junit FILE] [--json]",
  about: `Runs route tests: requests, and the route, verdict, rewrite and backends that they must get. TESTS are
YAML files, or directories of them. Nothing is started and nothing is sent; the same code decides as in
the gateway.`,
  flags: [
    ["--junit FILE", "also write the result as JUnit XML, for CI systems"],
    ["--json", "print the result as JSON, for scripts"],
    ["--write-schema PATH", "write the JSON Schema of test files, for editors, to PATH (no CONFIG needed)"],
    ["-h, --help", "show this text"],
  ],
  examples: ["windrose test config/quickstart.yaml config/tests/quickstart.yaml --junit report.xml"],
};

export async function test(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS, MAX_FILES);
  if (!line.ok) return refuseUsage("test", line.message);
  const { junit, json, help, "write-schema": schemaPath } = line.values;
  if (help) return printHelp(TEXT);
  const [config, ...paths] = line.positionals;
  if (schemaPath !== undefined) {
    if (config !== undefined) return refuseUsage("test", "--write-schema takes no CONFIG");
    return write(schemaPath, routeTestsSchemaText()) ?? EXIT.ok;
  }
  if (config === undefined) return refuseUsage("test", "which configuration? Give a file or a directory, and then the tests");
  if (paths.length === 0) return refuseUsage("test", "which tests? Give files or directories after CONFIG");
  const loaded = loadOrComplain(config);
  const suites = readSuites(paths);
  if (loaded === null || suites === null) return EXIT.configuration;
  const reports = await runSuites(suites, createSimulator(loaded.snapshot));
  if (json) writeJson({ ...totalsOf(reports), files: reports });
  else process.stdout.write(reportText(reports, painter(process.stdout)));
  const failure = junit === undefined ? null : write(junit, junitText(reports));
  return failure ?? (totalsOf(reports).failed > 0 ? EXIT.differences : EXIT.ok);
}

function write(path: string, text: string): number | null {
  try {
    writeFileSync(path, text);
    return null;
  } catch (error) {
    return fail("test", `cannot write ${path}: ${(error as NodeJS.ErrnoException).code ?? "unknown error"}`, EXIT.cannotCreate);
  }
}

interface Suite {
  readonly file: string;
  readonly tests: readonly { readonly test: RouteTest; readonly request: DescribedRequest }[];
}

/** Null: problems were printed, those of all files. */
function readSuites(paths: readonly string[]): Suite[] | null {
  const problems: Problem[] = [];
  const suites: Suite[] = [];
  for (const path of paths) {
    const loaded = loadRouteTests(path);
    if (!loaded.ok) problems.push(...loaded.problems);
    else for (const { file, tests } of loaded.files) suites.push({ file, tests: tests.flatMap((one) => prepare(one, problems)) });
  }
  printProblems(problems);
  if (problems.length > 0) process.stderr.write(`windrose test: ${plural(problems.length, "problem")} in the tests; nothing was run\n`);
  return problems.length > 0 ? null : suites;
}

function prepare(test: RouteTest, problems: Problem[]): Suite["tests"] {
  const described = readDescription(test.request, test.claims);
  if (described.ok) return [{ test, request: described.request }];
  problems.push(test.problem(described.field, described.message));
  return [];
}

async function runSuites(suites: readonly Suite[], simulator: Simulator): Promise<FileReport[]> {
  const reports: FileReport[] = [];
  for (const { file, tests } of suites) {
    const results: TestReport[] = [];
    for (const { test: one, request } of tests) results.push(await runOne(one, request, simulator));
    reports.push({ file, tests: results });
  }
  return reports;
}

async function runOne(test: RouteTest, request: DescribedRequest, simulator: Simulator): Promise<TestReport> {
  const startedMs = performance.now();
  const examined = await simulator.examine(request);
  const durationMs = performance.now() - startedMs;
  const { name, place } = test;
  const summary = { name, place, request: test.request.request, durationMs };
  if (typeof examined === "string") {
    const mismatch = { what: "listener", expected: test.expect.listener ?? "one that takes the request", got: "none", why: [examined] };
    return { ...summary, ok: false, mismatches: [mismatch] };
  }
  const mismatches = checkExpectation(examined, test.expect);
  return { ...summary, ok: mismatches.length === 0, mismatches };
}
