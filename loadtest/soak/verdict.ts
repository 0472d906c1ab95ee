/** What a run has found, and everything in it that makes it a failure. */
import type { SoakOptions } from "./options.js";
import type { TallyReport } from "./tally.js";
import type { Growth, Sample } from "./watch.js";

export interface Leftovers {
  /** Clients that did not come to an end within a minute of being told to. */
  readonly activeClients: number;
  readonly activeExchanges: number;
  readonly downstreamConnections: number;
  /** How long the gateway took to get rid of clients that say nothing any more. */
  readonly downstreamSeconds: number;
  readonly upstreamConnections: Readonly<Record<string, number>>;
  readonly descriptorsBefore: number;
  readonly descriptorsAfter: number;
}

export interface GatewayCounts {
  /** By status; 499 are clients that left before an answer. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly localReplies: Readonly<Record<string, number>>;
  readonly aborts: Readonly<Record<string, number>>;
  readonly retries: number;
  readonly restarts: number;
}

export interface SoakResult {
  readonly options: SoakOptions;
  readonly http: TallyReport;
  readonly webSocket: TallyReport;
  /** What services complained of. */
  readonly violationCount: number;
  readonly violations: readonly string[];
  readonly endpointClosings: number;
  readonly gateway: GatewayCounts;
  /** Of the clients' event loop. */
  readonly worstDelayMs: number;
  /** CPU time of the gateway's processes, as a share of one core. */
  readonly coreShare: number;
  /** Resets by the kernel, of whomever's connections, meanwhile. */
  readonly tcpMemoryAborts: number;
  readonly growth: readonly Growth[];
  readonly samples: readonly Sample[];
  readonly leftovers: Leftovers;
  readonly exit: { readonly code: number | null; readonly tookMs: number; readonly workersLeft: number };
  /** Warnings and worse in the gateway's log, and how often. */
  readonly complaints: Readonly<Record<string, number>>;
  /** What ended the run early. */
  readonly accidents: readonly string[];
}

/** In a shorter run the heap has not found its size when the comparison begins. */
const SHORTEST_JUDGED_SECONDS = 600;
/** A request of one packet may hide so many more. */
const MOST_REQUESTS_PER_RAW = 4;

export function failuresOf(result: SoakResult, drainMs: number): string[] {
  return [
    ...result.accidents,
    ...trafficFailures(result),
    ...stuckFailures(result.leftovers),
    ...processFailures(result, drainMs),
    ...bookFailures(result),
  ];
}

function trafficFailures({ http, webSocket, violationCount, options }: SoakResult): string[] {
  const failures: string[] = [];
  if (http.requests === 0 && options.clients > 0) failures.push("no request was made");
  if (webSocket.requests === 0 && options.webSockets > 0) failures.push("no WebSocket conversation was held");
  const wrong = http.wrongCount + webSocket.wrongCount;
  if (wrong > 0) failures.push(`${wrong} wrong answers`);
  if (violationCount > 0) failures.push(`${violationCount} requests were wrong when they reached a service`);
  return failures;
}

function stuckFailures(leftovers: Leftovers): string[] {
  const failures: string[] = [];
  const { activeClients, activeExchanges, downstreamConnections, upstreamConnections, descriptorsBefore, descriptorsAfter } = leftovers;
  if (activeClients > 0) failures.push(`${activeClients} clients are stuck`);
  if (activeExchanges !== 0) failures.push(`${activeExchanges} exchanges are left`);
  if (downstreamConnections !== 0) failures.push(`${downstreamConnections} downstream connections are left`);
  for (const [name, count] of Object.entries(upstreamConnections))
    if (count !== 0) failures.push(`${count} connections to "${name}" are left`);
  if (descriptorsAfter > descriptorsBefore) failures.push(`${descriptorsAfter - descriptorsBefore} file descriptors are left`);
  return failures;
}

function processFailures({ growth, exit, gateway, complaints, options }: SoakResult, drainMs: number): string[] {
  const failures: string[] = [];
  if (gateway.restarts > 0) failures.push(`${gateway.restarts} worker restarts`);
  if (exit.code !== 0) failures.push(`the gateway ended with ${exit.code ?? "a signal"}`);
  if (exit.tookMs > drainMs) failures.push(`the gateway took ${Math.round(exit.tookMs)} ms to end`);
  if (exit.workersLeft > 0) failures.push(`${exit.workersLeft} workers outlived the primary`);
  if (options.seconds >= SHORTEST_JUDGED_SECONDS) {
    for (const { name, isTooMuch } of growth) if (isTooMuch) failures.push(`memory of ${name} has grown too much`);
  }
  for (const [text, count] of Object.entries(complaints)) failures.push(`the gateway's log, ${count} times: ${text}`);
  const bugs = (gateway.localReplies["internal"] ?? 0) + (gateway.aborts["internal"] ?? 0);
  if (bugs > 0) failures.push(`${bugs} exchanges ended with an internal error`);
  return failures;
}

/** The gateway's counters against ours: what we have seen must be there, and no more than what we cannot know about. */
function bookFailures({ http, webSocket, gateway }: SoakResult): string[] {
  const seen = statusesOf(http.outcomes);
  const unsure = unsureCount(http) + webSocket.requests;
  const failures: string[] = [];
  for (const status of new Set([...Object.keys(seen), ...Object.keys(gateway.statuses)])) {
    const ours = seen[status] ?? 0;
    const theirs = gateway.statuses[status] ?? 0;
    if (theirs < ours || theirs > ours + unsure)
      failures.push(`status ${status}: clients saw ${ours} (unsure: ${unsure}), the gateway counted ${theirs}`);
  }
  return failures;
}

function statusesOf(outcomes: Readonly<Record<string, number>>): Record<string, number> {
  const statuses: Record<string, number> = {};
  for (const [label, count] of Object.entries(outcomes)) {
    const status = /^\d{3}/.exec(label)?.[0];
    if (status !== undefined) statuses[status] = (statuses[status] ?? 0) + count;
  }
  return statuses;
}

function unsureCount({ outcomes, kinds }: TallyReport): number {
  const unknown = ["left", "broken", "closed", "stuck"].reduce((sum, label) => sum + (outcomes[label] ?? 0), 0);
  const raw = Object.entries(kinds).filter(([name]) => name.startsWith("raw:"));
  return unknown + raw.flatMap(([, counts]) => Object.values(counts)).reduce((sum, count) => sum + count * MOST_REQUESTS_PER_RAW, 0);
}
