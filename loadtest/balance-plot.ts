/**
 * Writes docs/balancing.svg: how long requests take while one of ten endpoints is slow, per algorithm (balance-simulation.ts).
 * `node dist/loadtest/balance-plot.js docs/balancing.svg` after a build; the result is the same on every machine.
 */
import { writeFileSync } from "node:fs";
import { ENDPOINTS, MEAN_WORK_MS, percentile, REQUESTS_PER_SECOND, type SimulationResult, simulate } from "./balance-simulation.js";

const SECONDS = 90;
const SLOW_FROM = 20;
const SLOW_UNTIL = 50;
const SLOW_FACTOR = 10;
const ALGORITHMS = [
  { algorithm: "roundRobin", colour: "#c0392b" },
  { algorithm: "leastRequest", colour: "#7f8c8d" },
  { algorithm: "ewma", colour: "#1f6fb2" },
] as const;

const WIDTH = 860;
const HEIGHT = 430;
const LEFT = 70;
const RIGHT = 20;
const TOP = 64;
const BOTTOM = 110;
/** Of the logarithmic scale. */
const MIN_MS = 10;
const MAX_MS = 1_000;

function x(second: number): number {
  return LEFT + (second / SECONDS) * (WIDTH - LEFT - RIGHT);
}

function y(milliseconds: number): number {
  const part = Math.log(Math.min(Math.max(milliseconds, MIN_MS), MAX_MS) / MIN_MS) / Math.log(MAX_MS / MIN_MS);
  return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM);
}

/** The 99th percentile of the requests that came in each second. */
function tailPerSecond({ arrivals, durations }: SimulationResult): number[] {
  return Array.from({ length: SECONDS }, (_, second) => {
    const from = arrivals.findIndex((at) => at >= second * 1_000);
    const next = arrivals.findIndex((at) => at >= (second + 1) * 1_000);
    return percentile(durations.slice(from, next < 0 ? arrivals.length : next), 0.99);
  });
}

function text(at: readonly [x: number, y: number], content: string, attributes = ""): string {
  return `<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" ${attributes}>${content}</text>`;
}

function line(from: readonly [number, number], to: readonly [number, number], colour: string): string {
  return `<line x1="${from[0].toFixed(1)}" y1="${from[1].toFixed(1)}" x2="${to[0].toFixed(1)}" y2="${to[1].toFixed(1)}" stroke="${colour}"/>`;
}

function axes(): string[] {
  const bottom = HEIGHT - BOTTOM;
  const labels = [
    [10, "10 ms"],
    [100, "100 ms"],
    [1_000, "1 s"],
  ] as const;
  return [
    `<rect x="${x(SLOW_FROM).toFixed(1)}" y="${TOP}" width="${(x(SLOW_UNTIL) - x(SLOW_FROM)).toFixed(1)}" height="${bottom - TOP}" fill="#f6ead2"/>`,
    text([(x(SLOW_FROM) + x(SLOW_UNTIL)) / 2, TOP + 16], `one endpoint ${SLOW_FACTOR} times as slow`, 'text-anchor="middle"'),
    ...labels.flatMap(([milliseconds, label]) => [
      line([LEFT, y(milliseconds)], [WIDTH - RIGHT, y(milliseconds)], "#ddd"),
      text([LEFT - 8, y(milliseconds) + 4], label, 'text-anchor="end"'),
    ]),
    ...[0, 10, 20, 30, 40, 50, 60, 70, 80, 90].map((second) => text([x(second), bottom + 18], `${second} s`, 'text-anchor="middle"')),
  ];
}

function curve(tail: readonly number[], colour: string): string {
  const points = tail.map((milliseconds, second) => `${x(second + 0.5).toFixed(1)},${y(milliseconds).toFixed(1)}`);
  return `<polyline points="${points.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`;
}

function milliseconds(value: number): string {
  return value >= 10_000 ? `${(value / 1_000).toFixed(0)} s` : `${value.toFixed(0)} ms`;
}

/** While the endpoint is slow. */
function legend(name: string, result: SimulationResult, [colour, row]: readonly [string, number]): string {
  const during = result.durations.filter((_, index) => {
    const at = result.arrivals[index] as number;
    return at >= SLOW_FROM * 1_000 && at < SLOW_UNTIL * 1_000;
  });
  const [p50, p99] = [0.5, 0.99].map((part) => milliseconds(percentile(during, part)));
  const at = HEIGHT - BOTTOM + 46 + row * 20;
  return `${line([LEFT, at - 4], [LEFT + 28, at - 4], colour)}${text([LEFT + 36, at], `${name}: while it is slow p50 ${p50}, p99 ${p99}`)}`;
}

const target = process.argv[2];
if (target === undefined) throw new Error("say where to write: docs/balancing.svg");
const runs = ALGORITHMS.map(({ algorithm, colour }) => ({
  algorithm,
  colour,
  result: simulate({ algorithm, seconds: SECONDS, slowFactor: SLOW_FACTOR, slowFrom: SLOW_FROM, slowUntil: SLOW_UNTIL }),
}));
const setting = `${ENDPOINTS} endpoints, ${REQUESTS_PER_SECOND.toLocaleString("en")} requests per second, ${MEAN_WORK_MS} ms of work each on average`;
const svg = [
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="#333">`,
  "<title>Tail latency with one slow endpoint, by balancing algorithm</title>",
  `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
  text([LEFT, 26], "99th percentile of the requests of each second, by balance.algorithm", 'font-size="16"'),
  text([LEFT, 46], `${setting}; simulated with the gateway's pickers (loadtest/balance-plot.ts)`),
  ...axes(),
  ...runs.map(({ result, colour }) => curve(tailPerSecond(result), colour)),
  ...runs.map(({ algorithm, result, colour }, row) => legend(algorithm, result, [colour, row])),
  "</svg>",
  "",
].join("\n");
writeFileSync(target, svg);
for (const { algorithm, result } of runs) {
  const figures = [0.5, 0.9, 0.99, 0.999].map((part) => `p${part * 100} ${milliseconds(result.percentile(part))}`);
  process.stdout.write(
    `${algorithm}: ${figures.join(", ")}; ${(result.slowShare * 100).toFixed(1)}% of all requests on the endpoint that is slow\n`,
  );
}
