/** What a run has shown, as Markdown. */
import { cpus, release } from "node:os";
import { formatTable } from "../report.js";
import type { HostileOptions } from "./options.js";
import type { ProbeResult } from "./probe.js";

export interface Measurement {
  readonly healthy: ProbeResult;
  /** The same client at the backend, at the same time. */
  readonly direct: ProbeResult;
  readonly opened: number;
  readonly cut: number;
  /** Of the time, in which the worker could not run because others had its core. */
  readonly deniedShare: number;
  readonly residentMib: number;
  /** What the kernel keeps for TCP, of all processes. */
  readonly kernelMib: number;
}

export interface Row extends Measurement {
  readonly title: string;
  readonly isTls: boolean;
  /** The same client at nginx under the same attack; null without nginx. */
  readonly nginx: ProbeResult | null;
}

const HEAD = [
  ...["attack", "p50 ms", "p99 ms", "× alone", "fresh p99 ms", "max ms", "errors", "backend's p99 ms", "nginx p50 ms", "nginx p99 ms"],
  ...["nginx errors", "attackers", "cut", "core denied %", "worker MiB", "TCP MiB"],
];

export function formatRows(rows: readonly Row[], { seconds, rate }: HostileOptions, args: readonly string[]): string {
  const [cpu] = cpus();
  const errors = rows.filter((row) => row.healthy.errors > 0).map((row) => `**${row.title}**: first error: ${row.healthy.firstError}`);
  return [
    "# Healthy clients under attack",
    "",
    `${new Date().toISOString().slice(0, 16).replace("T", " ")} · ${cpus().length} × ${cpu?.model.trim() ?? "unknown CPU"}, Linux ${release()}`,
    `\`npm run hostile${args.length > 0 ? ` -- ${args.join(" ")}` : ""}\` · ${seconds} s each, ${rate} healthy requests per second over kept-alive connections and`,
    `${rate / 10} per second over fresh ones. "backend's p99": the same client, asking the backend directly at the same time. "nginx": the`,
    "same client and the same attack on nginx on the same core, right after.",
    "",
    ...formatTable(
      HEAD,
      rows.map((row) => cells(row, rows.find(({ isTls }) => isTls === row.isTls) as Row)),
    ),
    "",
    ...errors,
  ].join("\n");
}

function cells({ title, healthy, direct, nginx, ...row }: Row, alone: Row): string[] {
  return [
    title,
    milliseconds(healthy.p50Ms),
    milliseconds(healthy.p99Ms),
    (healthy.p99Ms / alone.healthy.p99Ms).toFixed(1),
    milliseconds(healthy.freshP99Ms),
    milliseconds(healthy.maxMs),
    count(healthy.errors),
    milliseconds(direct.p99Ms),
    nginx === null ? "–" : milliseconds(nginx.p50Ms),
    nginx === null ? "–" : milliseconds(nginx.p99Ms),
    nginx === null ? "–" : count(nginx.errors),
    row.opened.toLocaleString("en"),
    row.cut.toLocaleString("en"),
    (row.deniedShare * 100).toFixed(1),
    row.residentMib.toFixed(0),
    row.kernelMib.toFixed(0),
  ];
}

/** When nobody was served, there is no time: NaN, which a message between processes turns into null. */
function milliseconds(value: number | null): string {
  return Number.isFinite(value) ? Number(value).toFixed(1) : "–";
}

function count(errors: number): string {
  return errors === 0 ? "0" : `**${errors}**`;
}
