/** Routes that another one hides, and hostnames that no listener lets through. Warnings only. */
import type { DocumentPath } from "../problems.js";
import type { DocumentDraft } from "./check-document.js";
import type { Checker } from "./checker.js";

type RouteDraft = NonNullable<NonNullable<DocumentDraft["routes"]>[number]>;
type MatchDraft = NonNullable<NonNullable<RouteDraft["match"]>[number]>;

interface ListenerFacts {
  readonly name: string;
  readonly hostnames: readonly string[];
}

export function checkOverlaps(document: DocumentDraft, checker: Checker): void {
  const listeners = (document.listeners ?? []).flatMap((listener) =>
    listener?.name === undefined ? [] : [{ name: listener.name, direction: listener.direction, hostnames: known(listener.hostnames) }],
  );
  const ingress = listeners.filter((listener) => listener.direction === "ingress");
  const winners = new Map<string, number>();
  (document.routes ?? []).forEach((route, index) => {
    if (route === undefined) return;
    const names = route.listeners;
    const own = names === undefined ? ingress : listeners.filter((listener) => names.includes(listener.name));
    warnOnUnserved(route, own, ["routes", index], checker);
    warnOnHidden({ route, index, listeners: own }, winners, checker);
  });
}

function known(values: readonly (string | undefined)[] | undefined): string[] {
  return (values ?? []).filter((value) => value !== undefined).map((value) => value.toLowerCase());
}

function warnOnUnserved(route: RouteDraft, listeners: readonly ListenerFacts[], path: DocumentPath, checker: Checker): void {
  if (listeners.length === 0) return;
  (route.hostnames ?? []).forEach((hostname, index) => {
    if (hostname === undefined || listeners.some((listener) => serves(listener.hostnames, hostname.toLowerCase()))) return;
    const at = [...path, "hostnames", index];
    checker.warn(at, `none of the route's listeners serves ${checker.quote(at)}`, "add it to the listener's hostnames");
  });
}

function serves(hostnames: readonly string[], hostname: string): boolean {
  return hostnames.length === 0 || hostnames.some((candidate) => covers(candidate, hostname) || covers(hostname, candidate));
}

/** `*.example.com` stands for every name that ends so, with any number of labels before (Gateway API). */
function covers(pattern: string, hostname: string): boolean {
  if (pattern === hostname) return true;
  return pattern.startsWith("*.") && hostname.replace(/^\*/, "").endsWith(pattern.slice(1)) && hostname.length > pattern.length - 1;
}

interface Candidate {
  readonly route: RouteDraft;
  readonly index: number;
  readonly listeners: readonly ListenerFacts[];
}

/** Of two equal matches the one written first wins. */
function warnOnHidden({ route, index, listeners }: Candidate, winners: Map<string, number>, checker: Checker): void {
  const hostnames = route.hostnames?.length === 0 ? ["*"] : known(route.hostnames);
  (route.match ?? []).forEach((match, position) => {
    const keys = match === undefined ? [] : matchKeys(match);
    const hidden = new Set<number>();
    for (const listener of listeners) {
      for (const hostname of hostnames) {
        for (const key of keys) {
          const full = `${listener.name}\n${hostname}\n${key}`;
          const winner = winners.get(full);
          if (winner === undefined) winners.set(full, index);
          else if (winner !== index) hidden.add(winner);
        }
      }
    }
    for (const winner of hidden) report(winner, ["routes", index, "match", position], checker);
  });
}

function report(winner: number, path: DocumentPath, checker: Checker): void {
  const name = checker.quote(["routes", winner, "name"]);
  checker.warn(path, `the route ${name} matches the same requests and wins`, `it is at ${checker.where(["routes", winner])}`);
}

/** One text per method; equal texts match exactly the same requests. */
function matchKeys(match: MatchDraft): string[] {
  if (match.path?.value === undefined || match.methods === undefined || match.methods.includes(undefined)) return [];
  const value = match.path.type === "PathPrefix" && match.path.value !== "/" ? match.path.value.replace(/\/$/, "") : match.path.value;
  const rest = JSON.stringify([match.path.type, value, pairs(match.headers, true), pairs(match.queryParams, false)]);
  return (match.methods.length === 0 ? ["*"] : match.methods).map((method) => `${method} ${rest}`);
}

type PairDraft = { readonly name?: string | undefined; readonly value?: string | undefined } | undefined;

function pairs(fields: readonly PairDraft[] | undefined, isCaseless: boolean): string[] {
  return (fields ?? []).map((field) => JSON.stringify([isCaseless ? field?.name?.toLowerCase() : field?.name, field?.value])).sort();
}
