/** Listeners: TLS where it belongs, certificates that can be served, addresses that do not collide. */
import { availableParallelism } from "node:os";
import { addressPlan } from "../../engine/model/address-limit.js";
import type { DocumentPath } from "../problems.js";
import { checkCertificate } from "./check-certificate.js";
import type { CheckContext, DocumentDraft } from "./check-document.js";
import { checkWireSettings } from "./check-wire-settings.js";
import type { Checker } from "./checker.js";

export type ListenerDraft = NonNullable<NonNullable<DocumentDraft["listeners"]>[number]>;

/** Protocol → the one of its kind with TLS. */
const SECURE_PROTOCOLS: Readonly<Record<string, string | undefined>> = { http: "https", https: "https", h2c: "h2", h2: "h2" };

export function checkListeners(document: DocumentDraft, context: CheckContext): void {
  (document.listeners ?? []).forEach((listener, index) => {
    if (listener === undefined) return;
    checkTls(listener, ["listeners", index], context);
    checkWireSettings(listener, ["listeners", index], context);
    checkAddressLimit(listener, document.workers, ["listeners", index, "limits", "maxConnectionsPerAddress"], context);
    checkRepeats(listener.hostnames, ["listeners", index, "hostnames"], context.checker);
  });
}

function checkTls(listener: ListenerDraft, path: DocumentPath, context: CheckContext): void {
  const { checker } = context;
  const hasTls = checker.isWritten([...path, "tls"]);
  const secure = SECURE_PROTOCOLS[listener.protocol ?? ""];
  if (secure === undefined) return;
  if (secure === listener.protocol && !hasTls) {
    checker.error([...path, "protocol"], `${secure} needs tls`, "add tls: {certificates: [{cert: …, key: …}]}");
  } else if (secure !== listener.protocol && hasTls) {
    checker.error([...path, "tls"], `has no place on an ${listener.protocol} listener`, `write protocol: ${secure}`);
  }
  const firstByName = new Map<string, DocumentPath>();
  (listener.tls?.certificates ?? []).forEach((certificate, index) => {
    const at = [...path, "tls", "certificates", index];
    const names = checkCertificate(certificate, at, context);
    if (index > 0 && names?.length === 0)
      checker.warn(at, "has no DNS names, so no client is ever served it", "only the first certificate is served without a name");
    if (names === null) return;
    for (const name of names) {
      const first = firstByName.get(name);
      if (first === undefined) firstByName.set(name, at);
      else checker.warn(at, `${name} is in an earlier certificate too, which is served`, `the first is at ${checker.where(first)}`);
    }
  });
}

function checkAddressLimit(listener: ListenerDraft, written: DocumentDraft["workers"], path: DocumentPath, context: CheckContext): void {
  const { checker, platform } = context;
  const limit = listener.limits?.maxConnectionsPerAddress ?? 0;
  if (limit === 0) return;
  if (platform !== "linux") checker.error(path, "is possible on Linux only: the kernel's table of connections is what is counted");
  const workers = typeof written === "number" ? written : availableParallelism();
  const { limit: held } = addressPlan(limit, workers);
  if (held === limit) return;
  checker.warn(path, `is raised to ${held}: each of ${workers} workers must be able to let in a few connections of an address by itself`);
}

/** Values of a list that may stand in it once, ignoring case. */
export function checkRepeats(
  values: readonly (string | undefined)[] | undefined,
  path: DocumentPath,
  checker: Pick<Checker, "error" | "quote" | "where">,
): void {
  const seen = new Map<string, number>();
  (values ?? []).forEach((value, index) => {
    if (value === undefined) return;
    const first = seen.get(value.toLowerCase());
    if (first === undefined) seen.set(value.toLowerCase(), index);
    else
      checker.error(
        [...path, index],
        `${checker.quote([...path, index])} is written twice`,
        `the first is at ${checker.where([...path, first])}`,
      );
  });
}
