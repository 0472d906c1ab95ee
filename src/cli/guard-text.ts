/** The state of a guarded apply, for people. */
import type { GuardView } from "../admin/views.js";
import { shortVersion } from "./outcome-text.js";
import { type Cell, formatCount, formatShare, formatTable, type Paint } from "./terminal.js";

type ActiveGuard = Exclude<GuardView, { readonly state: "idle" }>;

/** One line. */
export function guardText(guard: ActiveGuard, paint: Paint): string {
  const version = shortVersion(guard.version);
  const previous = shortVersion(guard.previous);
  switch (guard.state) {
    case "watching":
      return paint("yellow", `watching ${version} until ${guard.endsAt}`);
    case "kept":
      return paint("green", `${version} was kept`);
    case "superseded":
      return paint("yellow", `${version} is not watched any more: ${guard.reason}`);
    default: {
      if (guard.failure !== null)
        return paint("red", `${version} failed (${guard.reason}), and going back to ${previous} failed too: ${guard.failure}`);
      return paint("red", `${version} was rolled back to ${previous}: ${guard.reason}`);
    }
  }
}

/** The routes that were watched, the worst first. */
export function guardedRoutesText({ routes, maxErrorRate }: ActiveGuard, paint: Paint): string {
  if (routes.length === 0) return "";
  const headings = ["route", "requests", "errors", "before"].map((text): Cell => ({ text, style: "dim" }));
  const worstFirst = [...routes].sort((a, b) => b.errorRate - a.errorRate);
  const rows = worstFirst.map(({ name, requests, errorRate, baselineErrorRate }): (string | Cell)[] => [
    name === "" ? { text: "no route", style: "dim" } : name,
    formatCount(requests),
    { text: formatShare(errorRate), style: errorRate > maxErrorRate + (baselineErrorRate ?? 0) ? "red" : "green" },
    baselineErrorRate === null ? "-" : formatShare(baselineErrorRate),
  ]);
  return formatTable([headings, ...rows], { paint, right: [1, 2, 3], indent: "  " });
}
