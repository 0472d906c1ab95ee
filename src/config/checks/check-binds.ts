/** Addresses to listen on: each one once, the admin API's included. */
import type { DocumentPath } from "../problems.js";
import { parseAddress } from "../schema/addresses.js";
import type { DocumentDraft } from "./check-document.js";
import type { Checker } from "./checker.js";

interface Bind {
  readonly host: string;
  readonly path: DocumentPath;
}

const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

export function checkBinds(document: DocumentDraft, checker: Checker): void {
  const byPort = new Map<number, Bind[]>();
  const add = (text: string | undefined, path: DocumentPath): void => {
    const address = text === undefined ? null : parseAddress(text);
    // Port 0 means any free port: several of them never collide.
    if (address === null || address.port === 0) return;
    const others = byPort.get(address.port) ?? [];
    const bind = { host: address.host, path };
    const other = others.find((candidate) => collide(candidate.host, bind.host));
    if (other !== undefined) report(bind, other, checker);
    byPort.set(address.port, [...others, bind]);
  };
  (document.listeners ?? []).forEach((listener, index) => add(listener?.bind, ["listeners", index, "bind"]));
  add(document.admin?.bind, ["admin", "bind"]);
  add(document.registry?.bind, ["registry", "bind"]);
}

/** `::` takes IPv4 connections as well. */
function collide(a: string, b: string): boolean {
  return a === b || WILDCARDS.has(a) || WILDCARDS.has(b);
}

function report(bind: Bind, other: Bind, checker: Checker): void {
  const isAdmin = bind.path[0] === "admin";
  const subject = checker.isWritten(bind.path) ? checker.quote(bind.path) : "the default 127.0.0.1:9901";
  // A default of the admin API has no place of its own in the document.
  const at = isAdmin && !checker.isWritten(bind.path) ? other.path : bind.path;
  checker.error(
    at,
    `${subject} ${bind.host === other.host ? "is taken" : "overlaps"}`,
    `the other is at ${checker.where(other.path)}${at === other.path ? ": write admin.bind" : ""}`,
  );
}
