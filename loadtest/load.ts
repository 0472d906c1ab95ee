/** The two load generators: wrk for as much HTTP/1.1 as goes, h2load for HTTP/2 and for a given rate. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { answerBytes, type Fixtures, LARGE_BYTES } from "./fixtures.js";
import { runTool } from "./processes.js";
import type { Scenario } from "./scenarios.js";

export interface LoadTarget {
  readonly scenario: Scenario;
  readonly fixtures: Fixtures;
  readonly port: number;
  readonly routes: number;
  /** For scripts and logs. */
  readonly directory: string;
  readonly core: number;
  readonly connections: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Heads included. */
  readonly bytesPerRequest: number;
}

/** Throws when a single answer was not a success: such a run measures something else. */
export async function runLoad(target: LoadTarget, seconds: number): Promise<LoadResult> {
  const result = await (target.scenario.http === "2" ? runH2load(target, seconds) : runWrk(target, seconds));
  const leastBytes = answerBytes(target.scenario.path);
  if (result.bytesPerRequest < leastBytes)
    throw new Error(`answers had ${result.bytesPerRequest.toFixed(0)} bytes instead of ${leastBytes}`);
  return result;
}

async function runWrk(target: LoadTarget, seconds: number): Promise<LoadResult> {
  const scriptPath = join(target.directory, "requests.lua");
  writeFileSync(scriptPath, wrkScript(target));
  const args = ["-t1", `-c${target.connections}`, `-d${seconds}s`, "--timeout", "10s", "--latency", "-s", scriptPath, baseUrl(target)];
  return parseWrk(await runTool("wrk", args, target.core));
}

/** It prints means instead of percentiles: those come from its log of every request. */
async function runH2load(target: LoadTarget, seconds: number): Promise<LoadResult> {
  const { scenario, connections } = target;
  const output = await runLogged(target, ["-t1", `-c${connections}`, `-m${scenario.streams}`, `-D${seconds}`, ...messageArgs(target)]);
  return parseH2load(output.text, output.log, seconds);
}

export function parseH2load(text: string, log: string, seconds: number): LoadResult {
  const { p50Ms, p99Ms } = parseRateLog(log, 1);
  const [, done, succeeded, failed] = (/(\d+) done, (\d+) succeeded, (\d+) failed/.exec(text) ?? []).map(Number);
  const bodyBytes = Number(/traffic: .*\((\d+)\) data/.exec(text)?.[1]);
  const requests = done ?? 0;
  if (!(requests > 0) || succeeded !== requests || failed !== 0) throw new Error(`requests failed: ${text}`);
  return { requests, requestsPerSecond: requests / seconds, p50Ms, p99Ms, bytesPerRequest: bodyBytes / requests };
}

/** Runs h2load; every request is a line of its log. */
async function runLogged(target: LoadTarget, args: readonly string[]): Promise<{ text: string; log: string }> {
  // In a folder of its own: whoever watches that of the configuration or the certificates would be told of every line.
  const logFolder = join(target.directory, "h2load");
  mkdirSync(logFolder, { recursive: true });
  const logPath = join(logFolder, "requests.tsv");
  rmSync(logPath, { force: true });
  const url = `${baseUrl(target)}${target.scenario.path}`;
  const text = await runTool("h2load", [...args, `--log-file=${logPath}`, `--connect-to=127.0.0.1:${target.port}`, url], target.core);
  if (!existsSync(logPath)) throw new Error("h2load wrote no log");
  const log = readFileSync(logPath, "utf8");
  rmSync(logPath, { force: true });
  return { text, log };
}

export function parseWrk(output: string): LoadResult {
  const failed = /Non-2xx or 3xx responses: \d+|Socket errors: .*/.exec(output);
  if (failed !== null) throw new Error(`requests failed: ${failed[0]}`);
  const requests = Number(/(\d+) requests in/.exec(output)?.[1]);
  const requestsPerSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1]);
  const [p50Ms, p99Ms] = ["50%", "99%"].map((name) => parseTime(new RegExp(`^\\s+${name}\\s+(\\S+)$`, "m").exec(output)?.[1]));
  const bytes = parseSize(/ requests in [^,]+, (\S+) read/.exec(output)?.[1]);
  if (!(requests > 0) || !(requestsPerSecond > 0) || p50Ms === undefined || p99Ms === undefined) throw new Error(`wrk said: ${output}`);
  return { requests, requestsPerSecond, p50Ms, p99Ms, bytesPerRequest: bytes / requests };
}

const UNIT_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

function parseTime(text: string | undefined): number {
  const match = /^([\d.]+)(us|ms|s|m)$/.exec(text ?? "");
  if (match === null) throw new Error(`wrk printed a time that is not understood: ${text}`);
  return Number(match[1]) * (UNIT_MS[match[2] as string] as number);
}

const SIZE_UNITS = ["B", "KB", "MB", "GB", "TB"];

function parseSize(text: string | undefined): number {
  const match = /^([\d.]+)([KMGT]?B)$/.exec(text ?? "");
  if (match === null) throw new Error(`wrk printed a size that is not understood: ${text}`);
  // Two digits are printed: allow for rounding.
  return Number(match[1]) * 1.005 * 1024 ** SIZE_UNITS.indexOf(match[2] as string);
}

/** Requests are built once and sent in turn. */
function wrkScript({ scenario, fixtures, routes }: LoadTarget): string {
  const tokens = scenario.isEdgeJob ? fixtures.tokens.map((token) => JSON.stringify(token)).join(",\n") : "";
  return `
local requests, turn = {}, 0
local tokens = { ${tokens} }
local body = ${scenario.method === "POST" ? `string.rep("x", ${LARGE_BYTES})` : "nil"}
local function add(path, token)
  local headers = { ["Host"] = "localhost" }
  if token then headers["Authorization"] = "Bearer " .. token end
  requests[#requests + 1] = wrk.format("${scenario.method}", path, headers, body)
end
init = function()
  if #tokens > 0 then
    for _, token in ipairs(tokens) do add("${scenario.path}", token) end
  elseif ${routes} > 1 then
    for i = 0, ${routes - 1} do add("/r" .. ((i * 7919) % ${routes}) .. "${scenario.path}") end
  else
    add("${scenario.path}")
  end
end
request = function()
  turn = turn % #requests + 1
  return requests[turn]
end
`;
}

export interface RateResult {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Share of the requests asked for that were answered. */
  readonly answeredShare: number;
}

export async function runAtRate(target: LoadTarget, rate: number, seconds: number): Promise<RateResult> {
  const perClient = Math.max(1, Math.round(rate / target.connections));
  const token = target.scenario.isEdgeJob ? ["-H", `authorization: Bearer ${target.fixtures.tokens[0]}`] : [];
  const version = target.scenario.http === "2" ? [`-m${target.scenario.streams}`] : ["--h1"];
  const args = [...version, "-t1", `-c${target.connections}`, `--rps=${perClient}`, `-D${seconds}`, ...token, ...messageArgs(target)];
  const { log } = await runLogged(target, args);
  return parseRateLog(log, perClient * target.connections * seconds);
}

/** Lines of start (µs), status, duration (µs). */
export function parseRateLog(log: string, expectedRequests: number): RateResult {
  const rows = log
    .trimEnd()
    .split("\n")
    .map((line) => line.split("\t"));
  const failed = rows.filter(([, status]) => status !== "200" && status !== "-1");
  if (failed.length > 0) throw new Error(`${failed.length} answers were not 200`);
  const durations = rows.filter(([, status]) => status === "200").map(([, , micros]) => Number(micros));
  if (durations.length === 0) throw new Error("no request was answered");
  durations.sort((a, b) => a - b);
  const quantile = (share: number) => (durations[Math.min(durations.length - 1, Math.floor(share * durations.length))] as number) / 1000;
  return { p50Ms: quantile(0.5), p99Ms: quantile(0.99), answeredShare: durations.length / expectedRequests };
}

function messageArgs({ scenario, fixtures }: LoadTarget): string[] {
  return scenario.isGrpc ? ["-d", fixtures.grpcMessagePath, "-H", "content-type: application/grpc", "-H", "te: trailers"] : [];
}

function baseUrl({ scenario, port }: LoadTarget): string {
  return `${scenario.isTls ? "https" : "http"}://localhost:${port}`;
}
