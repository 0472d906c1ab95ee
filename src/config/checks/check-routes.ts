/** Routes: what they refer to exists, their chain of filters makes sense, and their timeouts fit into each other. */
import { parseDuration } from "../../engine/model/units.js";
import { didYouMean } from "../hints.js";
import type { DocumentPath } from "../problems.js";
import { FILTER_NAMES, factsOf, filterOf } from "../schema/filters.js";
import type { DocumentDraft } from "./check-document.js";
import { checkRepeats } from "./check-listeners.js";
import type { Checker, NameIndex } from "./checker.js";

type RouteDraft = NonNullable<NonNullable<DocumentDraft["routes"]>[number]>;

/** null: the block itself is not a list, so nothing can be said about references to it. */
export interface RouteNames {
  readonly listeners: NameIndex | null;
  readonly services: NameIndex | null;
  readonly providers: NameIndex | null;
}

export function checkRoutes(document: DocumentDraft, names: RouteNames, checker: Checker): void {
  // A listener whose direction is not valid might be one of ingress.
  const hasIngress = document.listeners?.some((listener) => listener?.direction === undefined || listener.direction === "ingress") ?? true;
  (document.routes ?? []).forEach((route, index) => {
    if (route === undefined) return;
    const path = ["routes", index];
    checkRouteListeners(route, path, names, checker);
    if (!hasIngress && !checker.isWritten([...path, "listeners"])) {
      checker.error(path, "has no listeners: it would be served by those of direction ingress, and there is none", "add listeners: […]");
    }
    checkRepeats(route.hostnames, [...path, "hostnames"], checker);
    checkMatches(route, path, checker);
    const alwaysReplies = checkFilters(route, path, names, checker);
    checkBackends(route, path, { names, alwaysReplies }, checker);
    checkTimeouts(route, path, checker);
    checkRetry(route, path, checker);
  });
}

function checkRouteListeners(route: RouteDraft, path: DocumentPath, names: RouteNames, checker: Checker): void {
  (route.listeners ?? []).forEach((name, index) =>
    checkReference(names.listeners, "listener", name, [...path, "listeners", index], checker),
  );
  checkRepeats(route.listeners, [...path, "listeners"], checker);
}

function checkReference(index: NameIndex | null, kind: string, name: string | undefined, path: DocumentPath, checker: Checker): void {
  if (index === null || name === undefined || index.has(name)) return;
  checker.error(path, `there is no ${kind} named ${checker.quote(path)}`, didYouMean(name, checker.showable(index)));
}

/** A second condition on the same field could never be told from the first. */
function checkMatches(route: RouteDraft, path: DocumentPath, checker: Checker): void {
  (route.match ?? []).forEach((match, index) => {
    const at = [...path, "match", index];
    checkRepeatedNames(match?.headers, [...at, "headers"], checker);
    checkRepeatedNames(match?.queryParams, [...at, "queryParams"], checker, false);
    checkRepeats(match?.methods, [...at, "methods"], checker);
    if (match?.path?.value !== undefined && !isNormalised(match.path.value)) {
      checker.warn(
        [...at, "path", "value"],
        "never matches on listeners that normalise paths",
        "no empty segments, and percent-encoding in upper case, only where it is needed",
      );
    }
  });
}

function isNormalised(path: string): boolean {
  const triplets = path.match(/%../g) ?? [];
  return !path.includes("//") && triplets.every((triplet) => triplet === triplet.toUpperCase() && !/[\w.~-]/.test(decodeByte(triplet)));
}

function decodeByte(triplet: string): string {
  return String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
}

type NamedDraft = { readonly name?: string | undefined } | undefined;

function checkRepeatedNames(fields: readonly NamedDraft[] | undefined, path: DocumentPath, checker: Checker, isCaseless = true): void {
  const seen = new Set<string>();
  (fields ?? []).forEach((field, index) => {
    if (field?.name === undefined) return;
    const name = isCaseless ? field.name.toLowerCase() : field.name;
    if (seen.has(name))
      checker.error(
        [...path, index, "name"],
        `${checker.quote([...path, index, "name"])} is matched twice`,
        "all conditions must hold, so one of them is enough or none can",
      );
    seen.add(name);
  });
}

/** @returns whether some filter ends every exchange itself; null: not known, an entry is not valid */
function checkFilters(route: RouteDraft, path: DocumentPath, names: RouteNames, checker: Checker): boolean | null {
  if (route.filters === undefined) return null;
  let hasJwt = false;
  let replier = "";
  let isKnown = true;
  route.filters.forEach((entry, index) => {
    const at = [...path, "filters", index];
    const filter = entry === undefined ? null : readFilter(entry, at, checker);
    if (filter === null) {
      // Whatever it is, it may be the filter that the others rely on.
      hasJwt = true;
      isKnown = false;
      return;
    }
    const facts = factsOf(filter);
    if (replier !== "") checker.warn(at, `never runs: ${replier} before it always replies`);
    if (facts.jwtProvider !== "")
      checkReference(names.providers, "jwt provider", facts.jwtProvider, [...at, filter.type, "provider"], checker);
    if (facts.readsPrincipal && !hasJwt)
      checker.error([...at, filter.type], "reads the token's claims, but no jwt filter stands before it", "put a jwt filter first");
    hasJwt ||= facts.jwtProvider !== "";
    if (facts.alwaysReplies && replier === "") replier = filter.type;
  });
  return replier !== "" ? true : isKnown ? false : null;
}

function readFilter(entry: object, path: DocumentPath, checker: Checker): { readonly type: string; readonly config: unknown } | null {
  const written = FILTER_NAMES.filter((name) => checker.isWritten([...path, name]));
  if (written.length > 1)
    checker.error(
      path,
      `holds ${written.length} filters: ${written.join(", ")}`,
      "begin each filter with its own dash, so that their order is clear",
    );
  if (written.length === 0 && checker.isEmptyMap(path)) checker.error(path, "holds no filter", `write one of ${FILTER_NAMES.join(", ")}`);
  return written.length === 1 ? filterOf(entry) : null;
}

function checkBackends(
  route: RouteDraft,
  path: DocumentPath,
  context: { readonly names: RouteNames; readonly alwaysReplies: boolean | null },
  checker: Checker,
): void {
  const { backends } = route;
  if (backends === undefined) return;
  backends.forEach((backend, index) =>
    checkReference(context.names.services, "service", backend?.service, [...path, "backends", index, "service"], checker),
  );
  if (backends.length === 0 && context.alwaysReplies === false) {
    checker.error(
      path,
      "has no backends, and no filter that always replies",
      "add backends: [{service: …}], or a redirect or respond filter",
    );
  }
  if (backends.length > 0 && context.alwaysReplies === true) checker.warn([...path, "backends"], "are never used: a filter always replies");
  if (backends.length > 0 && backends.every((backend) => backend?.weight === 0)) {
    checker.warn([...path, "backends"], "all have weight 0: every request is answered with 503");
  }
}

function checkTimeouts(route: RouteDraft, path: DocumentPath, checker: Checker): void {
  const requestMs = parseDuration(route.timeouts?.request ?? "0s") ?? 0;
  const backendRequestMs = parseDuration(route.timeouts?.backendRequest ?? "0s") ?? 0;
  if (requestMs === 0 || backendRequestMs <= requestMs) return;
  const at = [...path, "timeouts", "backendRequest"];
  const limit = checker.isWritten([...path, "timeouts", "request"])
    ? "timeouts.request"
    : `timeouts.request, which is ${route.timeouts?.request} by default`;
  checker.error(at, `must not be longer than ${limit}`);
}

function checkRetry(route: RouteDraft, path: DocumentPath, checker: Checker): void {
  const at = (route.retry?.on ?? []).indexOf("timeout");
  if (at === -1 || route.timeouts?.backendRequest === undefined || parseDuration(route.timeouts.backendRequest) !== 0) return;
  checker.warn([...path, "retry", "on", at], "never happens: timeouts.backendRequest is 0s", "set it, so that an attempt can time out");
}
