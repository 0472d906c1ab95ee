/** A plan for people: objects first, then traffic, the largest difference first. */
import type { ReplayResult } from "../control/simulation/replay.js";
import type { DecisionSummary, ReplayGroup } from "../control/simulation/replay-group.js";
import type { ObjectChange } from "../engine/model/configuration.js";
import { changeLines } from "./change-lines.js";
import { formatCount, formatShare, type Paint, plural } from "./terminal.js";

const MAX_SHOWN_GROUPS = 20;
const MAX_SHOWN_FIELDS = 12;

/** The result in full, as `--json` prints it. */
export interface Plan {
  readonly old: { readonly path: string; readonly version: string };
  readonly new: { readonly path: string; readonly version: string };
  readonly changes: readonly ObjectChange[];
  /** Null without a log. */
  readonly replay: (ReplayResult & { readonly log: string }) | null;
}

export function planText(plan: Plan, paint: Paint): string {
  const sections = [changesText(plan.changes, paint), plan.replay === null ? "" : trafficText(plan.replay, paint)];
  return sections.filter((section) => section !== "").join("\n");
}

function changesText(changes: readonly ObjectChange[], paint: Paint): string {
  const lines = changes.length === 0 ? "  no difference\n" : changeLines(changes, { paint, indent: "  ", maxFields: MAX_SHOWN_FIELDS });
  return `${paint("bold", "Objects")}\n${lines}`;
}

function trafficText(replay: NonNullable<Plan["replay"]>, paint: Paint): string {
  const { log, replayed, different, groups, ungrouped } = replay;
  const head = paint("bold", "Traffic");
  const of = `${plural(replayed, "recorded request")} of ${log}`;
  const share = formatShare(replayed === 0 ? 0 : different / replayed);
  const sum =
    different === 0
      ? `  none of ${of} is treated differently\n`
      : `  ${paint("yellow", `${formatCount(different)} (${share})`)} of ${of} are treated differently\n`;
  const shown = groups.slice(0, MAX_SHOWN_GROUPS).map((group) => groupText(group, replayed, paint));
  const rest = groups.slice(MAX_SHOWN_GROUPS).reduce((total, { count }) => total + count, ungrouped);
  const more = rest === 0 ? "" : `\n  ${paint("dim", `and ${plural(rest, "request")} in smaller groups; --json shows more`)}\n`;
  return `${head}\n${sum}${shown.join("")}${more}${caveatsText(replay, paint)}`;
}

function groupText(group: ReplayGroup, replayed: number, paint: Paint): string {
  const { count, before, after, examples, differences } = group;
  const title = `\n  ${paint("bold", formatCount(count))} (${formatShare(count / replayed)}) ${paint("dim", whatDiffers(group))}\n`;
  const sides = `    ${paint("red", `- ${summaryText(before)}`)}\n    ${paint("green", `+ ${summaryText(after)}`)}\n`;
  const shown = examples.map((example) => {
    const moved =
      (!differences.includes("rewrite") && !differences.includes("response")) || example.before === example.after
        ? ""
        : `  ${example.before || "none"} → ${example.after || "none"}`;
    return `      ${paint("dim", `line ${example.line}: ${example.request}${moved}`)}\n`;
  });
  return title + sides + shown.join("");
}

function whatDiffers({ differences, requestHeaders, responseHeaders }: ReplayGroup): string {
  return differences
    .map((difference) => {
      if (difference === "rewrite" && requestHeaders.length > 0) return `rewrite (${requestHeaders.join(", ")})`;
      return difference === "response" && responseHeaders.length > 0 ? `response (${responseHeaders.join(", ")})` : difference;
    })
    .join(", ");
}

function summaryText({ route, verdict, status, error, assumptions, backends }: DecisionSummary): string {
  const by = route === null ? "no route" : `route ${route}`;
  const needs = assumptions === "" ? "" : `with ${assumptions} `;
  if (verdict === "proxied") return `${by}: ${needs}to ${backends}`;
  if (error === "no-listener") return "no such listener any more";
  return `${by}: ${needs}${verdict === "reply" ? `reply ${status}` : `refused with ${status} ${error}`}`;
}

function caveatsText({ skipped, inferred, recordedOtherwise, blindSpots, replayed }: NonNullable<Plan["replay"]>, paint: Paint): string {
  const lines = [
    ...skipped.map(({ reason, count }) => `${plural(count, "line")} left out: ${reason}`),
    ...blindSpots,
    ...(inferred === 0 ? [] : [`${plural(inferred, "request")} got the headers and parameters that the recorded route demands`]),
    ...(recordedOtherwise === 0
      ? []
      : [
          `${plural(recordedOtherwise, "request")} (${formatShare(recordedOtherwise / replayed)}) took another route when recorded than the old configuration gives: what the log does not hold decided, or it was another configuration`,
        ]),
  ];
  if (lines.length === 0) return "";
  return `\n${lines.map((line) => `${paint("yellow", "note:")} ${paint("dim", line)}\n`).join("")}`;
}
