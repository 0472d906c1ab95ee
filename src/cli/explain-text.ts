/** An explanation for people: the verdict first, then how it came about, in the order in which a request meets things. */
import type { ExplainedBackend, ExplainedFilter, ExplainedVerdict, Explanation, HeaderChanges } from "../engine/model/explanation.js";
import { formatDuration } from "../engine/model/units.js";
import { type Cell, formatTable, type Paint, type Style } from "./terminal.js";

const MAX_SHOWN_CANDIDATES = 10;
const MAX_SHOWN_ENDPOINTS = 20;
const MAX_BODY_CHARS = 200;

export function explanationText(explanation: Explanation, paint: Paint): string {
  return [
    requestLines(explanation, paint),
    candidateLines(explanation, paint),
    filterLines(explanation.filters, paint),
    upstreamLines(explanation, paint),
    backendLines(explanation, paint),
    noteLines(explanation.notes, paint),
  ]
    .filter((section) => section !== "")
    .join("\n");
}

function requestLines({ request, verdict, listener, route, version }: Explanation, paint: Paint): string {
  const { method, scheme, authority, path, query, clientAddress } = request;
  const rows: (readonly (string | Cell)[])[] = [
    ["verdict", { text: verdictText(verdict), style: verdictStyle(verdict) }],
    ["listener", `${listener.name} (${listener.protocol}, ${listener.direction}): ${listener.reason}`],
    ["route", route === null ? "none" : `${route.name} (${route.pathType} ${route.path})`],
    ["client", clientAddress],
    ["version", version],
  ];
  const shown = `${method} ${scheme}://${authority}${path}${query === null ? "" : `?${query}`}`;
  return `${paint("bold", shown)}\n${formatTable(rows, { paint, indent: "  " })}${replyLines(verdict, paint)}`;
}

export function verdictText(verdict: ExplainedVerdict): string {
  if (verdict.type === "proxied") return "proxied to a service";
  if (verdict.type === "reply") return `answered by the gateway with ${verdict.status}`;
  return `refused with ${verdict.status} ${verdict.error}${verdict.detail === "" ? "" : `: ${verdict.detail}`}`;
}

function verdictStyle({ type }: ExplainedVerdict): Style {
  return type === "proxied" ? "green" : type === "reply" ? "cyan" : "red";
}

function replyLines(verdict: ExplainedVerdict, paint: Paint): string {
  if (verdict.type === "proxied") return "";
  const rows = verdict.headers.map(({ name, value }) => ["", { text: `${name}: ${value}`, style: "dim" } as const]);
  const body = verdict.type === "reply" ? verdict.body.trimEnd() : "";
  const shown = body.length > MAX_BODY_CHARS ? `${body.slice(0, MAX_BODY_CHARS)}…` : body;
  return formatTable(shown === "" ? rows : [...rows, ["", shown]], { paint, indent: "          " });
}

function candidateLines({ candidates, moreCandidates }: Explanation, paint: Paint): string {
  if (candidates.length === 0) return "";
  const rows = candidates.slice(0, MAX_SHOWN_CANDIDATES).map(({ name, hostname, path, pathType, outcome, reason }) => {
    const hasWon = outcome === "matched";
    const place = `${hostname}${path}${pathType === "PathPrefix" ? (path.endsWith("/") ? "*" : "/*") : ""}`;
    const style: Style = hasWon ? "green" : "dim";
    return [{ text: hasWon ? "✓" : "·", style }, { text: name, style: hasWon ? "bold" : "dim" } as const, place, { text: reason, style }];
  });
  const more = candidates.length - rows.length + moreCandidates;
  const rest = more === 0 ? "" : `  ${paint("dim", `and ${more} more; --json shows up to 50`)}\n`;
  return `${paint("bold", "Routes considered")}\n${formatTable(rows, { paint, indent: "  " })}${rest}`;
}

const MARKS: Readonly<Record<ExplainedFilter["verdict"], readonly [mark: string, style: Style]>> = {
  continue: ["✓", "green"],
  reply: ["■", "yellow"],
  "not reached": ["·", "dim"],
  response: ["↩", "dim"],
};

function filterLines(filters: readonly ExplainedFilter[], paint: Paint): string {
  if (filters.length === 0) return "";
  const rows = filters.flatMap(({ type, verdict, detail, changes }) => {
    const [mark, style] = MARKS[verdict];
    const text = verdict === "response" ? `on the response: ${detail}` : verdict === "not reached" ? "not reached" : detail;
    const lines = changeLines(changes).map((line) => ["", "", line]);
    const [first = verdict] = lines.length > 0 && text === "" ? (lines.shift() ?? []).slice(2) : [text];
    return [[{ text: mark, style }, type, first], ...lines];
  });
  return `${paint("bold", "Filters")}\n${formatTable(rows, { paint, indent: "  " })}`;
}

function changeLines({ set, removed }: HeaderChanges): string[] {
  return [...set.map(({ name, value }) => `+ ${name}: ${value}`), ...removed.map((name) => `- ${name}`)];
}

function upstreamLines({ upstream, response, request }: Explanation, paint: Paint): string {
  if (upstream === null) return "";
  const lines = [`${request.method} ${upstream.target}${upstream.isRewritten ? "  (rewritten)" : ""}`, ...changeLines(upstream.changes)];
  const back = response === null ? [] : changeLines(response).map((line) => `response ${line}`);
  return `${paint("bold", "Sent to the service")}\n${formatTable(
    [...lines, ...back].map((line) => [line]),
    { paint, indent: "  " },
  )}`;
}

function backendLines({ backends, verdict, policies }: Explanation, paint: Paint): string {
  if (backends.length === 0) return "";
  const title = verdict.type === "proxied" ? "Backends" : "Backends (not reached)";
  const rows = backends.flatMap((backend) => [
    [
      { text: `${Number(backend.sharePercent.toFixed(2))}%`, style: "bold" } as const,
      backend.service,
      [backend.protocol, backend.balance, ...subsetText(backend)].join(", "),
    ],
    ...endpointRows(backend),
  ]);
  const policy = policies === null ? "" : `  ${policyText(policies)}\n`;
  return `${paint("bold", title)}\n${formatTable(rows, { paint, indent: "  ", right: [0] })}${policy}`;
}

function subsetText({ subset }: ExplainedBackend): string[] {
  if (subset === null) return [];
  return [
    `subset ${Object.entries(subset)
      .map((pair) => pair.join("="))
      .join(" ")}`,
  ];
}

function endpointRows({ endpoints, source }: ExplainedBackend): (readonly (string | Cell)[])[] {
  const rows = endpoints.slice(0, MAX_SHOWN_ENDPOINTS).map(({ address, weight, zone, labels, state }) => {
    const facts = [
      ...(weight === 1 ? [] : [`weight ${weight}`]),
      ...(zone === "" ? [] : [`zone ${zone}`]),
      ...Object.entries(labels).map(([name, value]) => `${name}=${value}`),
      ...(state === null ? [] : [state]),
    ];
    return ["", address, facts.join(", ")];
  });
  if (endpoints.length === 0 && source !== "") return [["", `found at run time (${source})`]];
  if (endpoints.length === 0) return [["", { text: "no endpoint", style: "red" }]];
  return endpoints.length > rows.length ? [...rows, ["", `and ${endpoints.length - rows.length} more`]] : rows;
}

function policyText({
  requestTimeoutMs,
  backendRequestTimeoutMs,
  retryAttempts,
  retryOn,
  isIdempotent,
}: NonNullable<Explanation["policies"]>) {
  const whole = requestTimeoutMs === 0 ? "no request timeout" : `request timeout ${formatDuration(requestTimeoutMs)}`;
  const attempt = backendRequestTimeoutMs === 0 ? "" : `, ${formatDuration(backendRequestTimeoutMs)} per attempt`;
  if (retryAttempts === 0 || retryOn.length === 0) return `${whole}${attempt}; no retry`;
  const limited = isIdempotent ? "" : ", and only what no service has seen: the method is not idempotent";
  return `${whole}${attempt}; up to ${retryAttempts} ${retryAttempts === 1 ? "retry" : "retries"} on ${retryOn.join(", ")}${limited}`;
}

function noteLines(notes: readonly string[], paint: Paint): string {
  return notes.map((note) => `${paint("yellow", "note:")} ${paint("dim", note)}\n`).join("");
}
