/** What a run has shown, as Markdown and as lines on the terminal. */
import { cpus, release } from "node:os";
import { formatTable } from "../report.js";
import { GOOD } from "./analysis.js";
import type { ChaosOptions } from "./options.js";
import type { RunResult } from "./run.js";

export interface Row {
  readonly fault: string;
  readonly title: string;
  readonly gateway: string;
  readonly label: string;
  readonly result: RunResult;
}

const HEAD = [
  ...["fault", "gateway", "errors during", "which", "errors after", "retried", "stops sending", "sent later", "first back", "full share"],
  ...["p50 ms", "during", "p99 ms", "during", "max ms"],
];

export function formatRows(rows: readonly Row[], options: ChaosOptions, args: readonly string[]): string {
  const [cpu] = cpus();
  const { rate, endpoints, seconds, recoverySeconds } = options;
  const versions = options.gateways.map((gateway) => `${gateway.label} ${gateway.version()}`).join(", ");
  return [
    "## Services that fail",
    "",
    `${new Date().toISOString().slice(0, 16).replace("T", " ")} · ${cpus().length} × ${cpu?.model.trim() ?? "unknown CPU"}, Linux ${release()} · ${versions}`,
    `\`npm run chaos${args.length > 0 ? ` -- ${args.join(" ")}` : ""}\` · ${rate} requests per second, ${endpoints} endpoints, faults of ${seconds} s, then at most`,
    `${recoverySeconds} s; gateways ${options.isInTurn ? "one after the other" : "side by side on one core, each with services and clients of its own"}. Columns: see README.md.`,
    "",
    ...formatTable(
      HEAD,
      rows.map((row, i) => [rows[i - 1]?.fault === row.fault ? "" : row.title, row.label, ...cells(row.result)]),
    ),
    "",
  ].join("\n");
}

export function formatLine({ label, result }: Row): string {
  const { fault, after, stoppedMs, fullShareMs } = result;
  const errors = `${fault.errors} of ${fault.requests} failed${fault.errors > 0 ? ` (${which(result)})` : ""}, ${after.errors} after`;
  return `  ${label.padEnd(18)} ${errors}; stopped ${milliseconds(stoppedMs)}, back ${milliseconds(fullShareMs)}, p99 ${fault.p99Ms.toFixed(1)} ms`;
}

function cells(result: RunResult): string[] {
  const { healthy, fault, after } = result;
  return [
    fault.errors === 0 ? "0" : `**${fault.errors}** (${((fault.errors * 100) / fault.requests).toFixed(1)} %)`,
    which(result),
    String(after.errors),
    String(result.retried),
    milliseconds(result.stoppedMs),
    result.stoppedMs === null ? "–" : String(result.sentLater),
    milliseconds(result.firstBackMs),
    milliseconds(result.fullShareMs),
    healthy.p50Ms.toFixed(1),
    fault.p50Ms.toFixed(1),
    healthy.p99Ms.toFixed(1),
    fault.p99Ms.toFixed(1),
    fault.maxMs.toFixed(0),
  ];
}

function which({ fault }: RunResult): string {
  const bad = Object.entries(fault.results).filter(([result]) => result !== GOOD);
  return bad.map(([result, count]) => `${result}: ${count}`).join(", ") || "–";
}

function milliseconds(value: number | null): string {
  return value === null ? "–" : `${Math.max(0, value / 1000).toFixed(2)} s`;
}
