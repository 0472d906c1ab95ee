/** Turns results into Markdown, for the terminal and for RESULTS.md alike. */
import { cpuOf, judge } from "./budgets.js";
import { type ContestantResult, medianOf, type ScenarioResult, spreadOf } from "./results.js";

export interface RunFacts {
  readonly date: string;
  readonly machine: string;
  readonly command: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly tools: string;
}

const MIB = 2 ** 20;

export function formatReport(results: readonly ScenarioResult[], facts: RunFacts): string {
  return [
    "# Benchmark results",
    "",
    `${facts.date} · ${facts.machine}`,
    `\`${facts.command}\` · medians of ${facts.rounds} rounds of ${facts.seconds} s, ${facts.connections} connections · ${facts.tools}`,
    "",
    `Contestants: ${versions(results)}. Each gateway has one core and one worker; load generator and backend share the other core, which limits the`,
    "requests per second of fast contestants: compare CPU time per request, all processes of a gateway together. Ratios are CPU per request.",
    "",
    ...formatVerdicts(results),
    ...results.flatMap((result) => ["", ...formatScenario(result)]),
    "",
  ].join("\n");
}

function versions(results: readonly ScenarioResult[]): string {
  const seen = new Map(results.flatMap((result) => result.contestants.map(({ name, version }) => [name as string, version] as const)));
  return [...seen].map(([name, version]) => `${name} ${version}`).join(", ");
}

function formatVerdicts(results: readonly ScenarioResult[]): string[] {
  const rows = judge(results).map(({ budget, measured, verdict }) => [budget, measured, verdict === "MISSED" ? "**MISSED**" : verdict]);
  return ["## Budgets", "", ...formatTable(["budget", "measured", "verdict"], rows)];
}

function formatScenario(result: ScenarioResult): string[] {
  const { scenario, contestants, remarks } = result;
  const table = scenario.kind === "idle" ? idleTable(contestants) : loadTable(result);
  return [`## ${scenario.title}`, "", scenario.note, "", ...table, ...remarks.flatMap((remark) => ["", `Remark: ${remark}`])];
}

function loadTable(result: ScenarioResult): string[] {
  const { contestants, rate } = result;
  const nginx = cpuOf(contestants.find(({ name }) => name === "nginx"));
  const haproxy = cpuOf(contestants.find(({ name }) => name === "haproxy"));
  const atRate = rate > 0 ? [`p50 / p99 at ${rate}/s`] : [];
  const head = [
    "",
    "CPU µs/request",
    "spread",
    "× nginx",
    "× HAProxy",
    "requests/s",
    "core used",
    "p50 / p99 saturated",
    ...atRate,
    "RSS MiB",
  ];
  return formatTable(
    head,
    contestants.map((contestant) => loadRow(contestant, nginx, haproxy, rate)),
  );
}

function loadRow(contestant: ContestantResult, nginx: number, haproxy: number, rate: number): string[] {
  const { load, label } = contestant;
  const cpu = cpuOf(contestant);
  const worker = medianOf(load, (sample) => sample.workerCpuMicrosPerRequest ?? Number.NaN);
  return [
    label,
    `${fixed(cpu, 1)}${Number.isNaN(worker) ? "" : ` (worker ${fixed(worker, 1)})`}`,
    load.length === 0
      ? "–"
      : `${fixed(
          spreadOf(load, (sample) => sample.cpuMicrosPerRequest),
          2,
        )}`,
    fixed(cpu / nginx, 2),
    fixed(cpu / haproxy, 2),
    fixed(
      medianOf(load, (sample) => sample.requestsPerSecond),
      0,
    ),
    `${fixed(100 * medianOf(load, (sample) => sample.coreShare), 0)} %`,
    `${fixed(
      medianOf(load, (sample) => sample.p50Ms),
      2,
    )} / ${fixed(
      medianOf(load, (sample) => sample.p99Ms),
      2,
    )} ms`,
    ...(rate > 0 ? [rateCell(contestant)] : []),
    fixed(medianOf(load, (sample) => sample.residentBytes) / MIB, 0),
  ];
}

function rateCell({ rate }: ContestantResult): string {
  if (rate.length === 0) return "–";
  if (!rate.every((sample) => sample.hasKeptRate)) return "cannot keep up";
  return `${fixed(
    medianOf(rate, (sample) => sample.p50Ms),
    2,
  )} / ${fixed(
    medianOf(rate, (sample) => sample.p99Ms),
    2,
  )} ms`;
}

function idleTable(contestants: readonly ContestantResult[]): string[] {
  const rows = contestants.map(({ label, idle }) => {
    const [sample] = idle;
    if (sample === undefined) return [label, "–", "–", "–"];
    const perConnection = sample.grownBytes / sample.connections / 1024;
    return [label, String(sample.connections), fixed(sample.grownBytes / MIB, 1), fixed(perConnection, 1)];
  });
  return formatTable(["", "connections", "MiB more", "KiB each"], rows);
}

export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((cell, column) => Math.max(cell.length, 3, ...rows.map((row) => (row[column] ?? "").length)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column] as number)).join(" | ")} |`;
  return [line(head), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rows.map(line)];
}

function fixed(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : "–";
}
