/** The state of a gateway, for people: one line per question, details only where something is wrong. */
import type { ConfigStatusView } from "../admin/views.js";
import { formatProblem, printable } from "../config/index.js";
import type { ApplyOutcome } from "../engine/model/configuration.js";
import { guardText } from "./guard-text.js";
import { shortVersion } from "./outcome-text.js";
import type { GatewayStatus } from "./status.js";
import { troubleRows } from "./status-troubles.js";
import { type Cell, formatElapsed, formatTable, type Paint, plural } from "./terminal.js";

export function statusText({ admin, info, configuration, guard, readiness, troubles }: GatewayStatus, paint: Paint, nowMs: number): string {
  const ago = (time: string): string => `${formatElapsed(nowMs - Date.parse(time))} ago`;
  const running = `windrose ${info.version} at ${admin}, up ${formatElapsed(nowMs - Date.parse(info.startedAt))}`;
  const isWell = readiness.isReady;
  const rows: (readonly [string, string])[] = [
    ["gateway", running],
    ["ready", isWell ? paint("green", "yes") : paint("red", `no: ${readiness.reasons.join(", ")}`)],
    ["serving", servingText(configuration, paint, ago(configuration.since))],
    ["on disk", diskText(configuration, paint)],
    ["last change", lastText(configuration, paint, ago)],
    ...(guard.state === "idle" ? [] : [["guard", guardText(guard, paint)] as const]),
    ["workers", workersText({ info, configuration }, paint)],
    ...troubleRows(troubles, paint),
  ];
  const lines = rows.map(([name, text]) => `${paint("dim", name.padEnd(12))} ${text}\n`);
  return `${lines.join("")}${problemsText(configuration)}\n${listenersText(info, paint)}`;
}

function servingText({ version, sequence, path, source, author, note }: ConfigStatusView, paint: Paint, since: string): string {
  const by = author === "" ? "" : ` by ${author}`;
  const why = note === "" ? "" : `: ${note}`;
  return `${paint("bold", shortVersion(version))} (#${sequence}) since ${since}, from ${source}${printable(by + why)} ${paint("dim", path)}`;
}

function diskText({ disk }: ConfigStatusView, paint: Paint): string {
  if (disk.state === "same") return paint("green", "the same");
  if (disk.state === "differs") return paint("yellow", `differs (${shortVersion(disk.version)}): ${disk.reason}`);
  return paint("red", `broken: ${disk.reason}`);
}

function lastText({ lastReload }: ConfigStatusView, paint: Paint, ago: (time: string) => string): string {
  if (lastReload === null) return "none since the start";
  const { at, trigger, author, outcome } = lastReload;
  return `${outcomeText(outcome, paint)} (${trigger}${printable(author === "" ? "" : ` by ${author}`)}, ${ago(at)})`;
}

function outcomeText(outcome: ApplyOutcome, paint: Paint): string {
  switch (outcome.result) {
    case "applied":
      return paint("green", `applied ${shortVersion(outcome.version)}, ${plural(outcome.changes.length, "object")}`);
    case "unchanged":
      return paint("green", "unchanged");
    case "rejected":
      return paint("red", `rejected: ${plural(outcome.problems.length, "problem")}`);
    default:
      return paint("red", `failed: ${outcome.message}`);
  }
}

function workersText({ info, configuration }: Pick<GatewayStatus, "info" | "configuration">, paint: Paint): string {
  const ready = info.workers.filter(({ state }) => state === "ready").length;
  const others = info.workers.filter(({ state }) => state !== "ready").map(({ id, state }) => `worker ${id} is ${state}`);
  const behind = info.workers
    .filter(({ snapshotVersion }) => snapshotVersion !== "" && snapshotVersion !== configuration.version)
    .map(({ id, snapshotVersion }) => `worker ${id} serves ${shortVersion(snapshotVersion)}`);
  const restarts = info.workerRestarts === 0 ? [] : [`${plural(info.workerRestarts, "restart")} after crashes`];
  const odd = [...others, ...behind, ...restarts];
  return `${ready} of ${info.workers.length} ready${odd.length === 0 ? "" : paint("yellow", ` (${odd.join(", ")})`)}`;
}

/** Of the last change when it was refused, else of what is on disk. */
function problemsText({ lastReload, disk }: ConfigStatusView): string {
  const refused = lastReload?.outcome.result === "rejected" ? lastReload.outcome.problems : [];
  const problems = disk.state === "broken" && disk.problems.length > 0 ? disk.problems : refused;
  return problems.map((problem) => `  ${formatProblem(problem)}\n`).join("");
}

function listenersText({ listeners }: GatewayStatus["info"], paint: Paint): string {
  const headings = ["listener", "direction", "protocol", "address"].map((text): Cell => ({ text, style: "dim" }));
  const rows = listeners.map(({ name, direction, protocol, host, port }): (string | Cell)[] => [
    { text: name, style: "bold" },
    direction,
    protocol,
    `${host.includes(":") ? `[${host}]` : host}:${port}`,
  ]);
  return formatTable([headings, ...rows], { paint });
}
