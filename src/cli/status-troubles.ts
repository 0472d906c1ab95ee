/** What is wrong with services and where their endpoints come from, for `windrose status`: nothing when all is well. */
import type { ServiceView, SourceView } from "../admin/views.js";
import { printable } from "../config/index.js";
import { formatElapsed, type Paint, plural } from "./terminal.js";

export interface Troubles {
  readonly sources: readonly SourceView[];
  readonly services: readonly TroubledService[];
}

/** A service of which something has to be said, without its endpoints. */
export interface TroubledService {
  readonly name: string;
  readonly endpoints: number;
  readonly healthy: number;
  readonly isPanicking: boolean;
  /** Its own. */
  readonly circuit: ServiceView["circuit"];
  /** Endpoints with circuits that are not closed. */
  readonly openCircuits: number;
  readonly drained: number;
  readonly reasons: readonly string[];
}

export function findTroubles(services: readonly ServiceView[], sources: readonly SourceView[]): Troubles {
  return {
    sources: sources.filter(({ status }) => status !== "ready"),
    services: services.map(summary).filter(isTroubled),
  };
}

function summary({ name, endpoints, isPanicking, circuit, reasons }: ServiceView): TroubledService {
  const count = (isCounted: (endpoint: ServiceView["endpoints"][number]) => boolean): number => endpoints.filter(isCounted).length;
  return {
    name,
    endpoints: endpoints.length,
    healthy: count(({ state }) => state === "healthy"),
    isPanicking,
    circuit,
    openCircuits: count((endpoint) => endpoint.circuit !== "closed"),
    drained: count(({ override }) => override?.isDraining === true),
    reasons,
  };
}

function isTroubled({ healthy, isPanicking, circuit, openCircuits, drained }: TroubledService): boolean {
  return healthy === 0 || isPanicking || circuit !== "closed" || openCircuits > 0 || drained > 0;
}

const MAX_SHOWN = 20;

/** Rows of a name and a text; what goes beyond a screen is counted. */
export function troubleRows({ services, sources }: Troubles, paint: Paint): (readonly [string, string])[] {
  const rows = [
    ...services.map((service) => ["service", serviceText(service, paint)] as const),
    ...sources.map((source) => ["source", sourceText(source, paint)] as const),
  ];
  const rest = rows.length - MAX_SHOWN;
  return rest > 0 ? [...rows.slice(0, MAX_SHOWN), ["", `and ${rest} more: windrose status --json`]] : rows;
}

function serviceText(
  { name, endpoints, healthy, isPanicking, circuit, openCircuits, drained, reasons }: TroubledService,
  paint: Paint,
): string {
  const own = circuit === "closed" ? [] : reasons.length === 0 ? [`circuit ${circuit === "open" ? "open" : "half open"}`] : reasons;
  const bad = [
    ...(endpoints === 0 ? ["no endpoints"] : healthy === 0 ? [`none of ${plural(endpoints, "endpoint")} is healthy`] : []),
    ...(isPanicking ? ["panicking: all of them are asked"] : []),
    ...own,
  ];
  const notable = [
    ...(openCircuits > 0 ? [`${plural(openCircuits, "endpoint")} with an open circuit`] : []),
    ...(drained > 0 ? [`${drained} drained`] : []),
  ];
  const parts = [
    ...(bad.length > 0 ? [paint("red", bad.join(", "))] : []),
    ...(notable.length > 0 ? [paint("yellow", notable.join(", "))] : []),
  ];
  return `${paint("bold", name)}: ${parts.join(", ")}`;
}

function sourceText({ service, source, status, ageSeconds, lastError }: SourceView, paint: Paint): string {
  const age = ageSeconds === null ? "" : `, endpoints are ${formatElapsed(ageSeconds * 1000)} old`;
  const reason = lastError === "" ? "" : `: ${lastError}`;
  return `${paint("bold", service)}: ${paint(status === "waiting" ? "red" : "yellow", `${status}${age}`)}${printable(` (${source})${reason}`)}`;
}
