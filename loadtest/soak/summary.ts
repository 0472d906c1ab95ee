/** A run as text: one line while it goes on, and a page at its end. */
import type { Metrics } from "../metrics.js";
import type { LoadReport } from "./load.js";
import type { ServicesReport } from "./services.js";
import type { TallyReport } from "./tally.js";
import type { SoakResult } from "./verdict.js";
import type { Sample } from "./watch.js";

const SHOWN_WRONG = 10;
const MIB = 1024 * 1024;

export interface Moment {
  readonly sample: Sample;
  readonly load: LoadReport;
  readonly services: ServicesReport;
  readonly metrics: Metrics;
  readonly requestsPerSecond: number;
}

export function progressLine({ sample, load, services, metrics, requestsPerSecond }: Moment): string {
  const { http, webSocket } = load;
  const upstream = Object.values(services.open).reduce((sum, count) => sum + count, 0);
  return [
    `[${String(sample.atSeconds).padStart(4)} s] ${http.requests} requests (${Math.round(requestsPerSecond)}/s)`,
    `${webSocket.requests} WebSocket conversations`,
    byStatus(http.outcomes),
    `wrong ${http.wrongCount + webSocket.wrongCount + services.violationCount}, restarts ${metrics.sum("windrose_worker_restarts_total")}`,
    `RSS ${mib(sample.primaryBytes)} + ${mib(sample.workerBytes)} MiB, descriptors ${sample.descriptors}`,
    `active ${metrics.sum("http_server_active_requests")}, down ${metrics.sum("windrose_downstream_connections")}, up ${upstream}`,
  ].join(" | ");
}

export function formatResult(result: SoakResult, failures: readonly string[]): string {
  const { http, webSocket, options } = result;
  const wrong = [...http.wrong, ...webSocket.wrong].map(
    ({ atSeconds, kind, request, why }) => `${atSeconds} s, ${kind}: ${why}\n    ${request}`,
  );
  return [
    `Soak of ${options.seconds} s, seed ${options.seed}, ${options.clients} clients, ${options.faultPercent} % faults, ${options.workers} workers`,
    "",
    ...kindLines(http),
    ...kindLines(webSocket),
    "",
    `requests        ${http.requests} (${Math.round(http.requests / options.seconds)}/s), ${Math.round(http.bodyBytes / MIB)} MiB of bodies checked; ${byStatus(http.outcomes)}`,
    `WebSocket       ${webSocket.requests} conversations, ${Math.round(webSocket.bodyBytes / MIB)} MiB`,
    `gateway         ${list(result.gateway.statuses)}`,
    `local replies   ${list(result.gateway.localReplies)}`,
    `aborted         ${list(result.gateway.aborts)}`,
    `retries         ${result.gateway.retries}; endpoints stopped listening ${result.endpointClosings} times`,
    `core used       ${Math.round(result.coreShare * 100)} % by the gateway; the clients were up to ${result.worstDelayMs} ms late themselves`,
    `kernel          ${result.tcpMemoryAborts} connections of this machine were reset for want of TCP memory`,
    ...result.growth.map(({ name, earlyBytes, lateBytes }) => `${`memory ${name}`.padEnd(15)} ${mib(earlyBytes)} → ${mib(lateBytes)} MiB`),
    `memory, most    ${mib(most(result.samples, (sample) => sample.primaryBytes))} + ${mib(most(result.samples, (sample) => sample.workerBytes))} MiB`,
    `descriptors     ${result.leftovers.descriptorsBefore} before, ${most(result.samples, (sample) => sample.descriptors)} at most, ${result.leftovers.descriptorsAfter} after`,
    `after the load  ${result.leftovers.activeExchanges} exchanges, ${result.leftovers.downstreamConnections} downstream connections (after ${result.leftovers.downstreamSeconds.toFixed(1)} s), upstream ${list(result.leftovers.upstreamConnections)}`,
    `end             exit code ${result.exit.code} after ${Math.round(result.exit.tookMs)} ms`,
    "",
    ...wrong.slice(0, SHOWN_WRONG).map((text) => `WRONG ${text}`),
    ...result.violations.slice(0, SHOWN_WRONG).map((text) => `WRONG at a service: ${text}`),
    ...failures.map((failure) => `FAILED ${failure}`),
    failures.length === 0 ? "PASSED" : `${failures.length} failures (repeat with --seed ${options.seed})`,
    "",
  ].join("\n");
}

function kindLines({ kinds }: TallyReport): string[] {
  const names = Object.keys(kinds).sort();
  return names.map((name) => `  ${name.padEnd(42)} ${list(kinds[name] ?? {})}`);
}

function byStatus(outcomes: Readonly<Record<string, number>>): string {
  const sums: Record<string, number> = {};
  for (const [label, count] of Object.entries(outcomes)) {
    const status = label.split(" ", 1)[0] as string;
    sums[status] = (sums[status] ?? 0) + count;
  }
  return list(sums);
}

function list(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");
}

function most(samples: readonly Sample[], read: (sample: Sample) => number): number {
  return samples.reduce((highest, sample) => Math.max(highest, read(sample)), 0);
}

function mib(bytes: number): number {
  return Math.round(bytes / MIB);
}
