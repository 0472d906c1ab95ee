/** `balance` and `subset`: settings that do something, keys that can be there, labels that some endpoint has. */
import { parseDuration } from "../../engine/model/units.js";
import type { DocumentPath } from "../problems.js";
import { HASH_PARTS } from "../schema/balance.js";
import type { CheckContext, DocumentDraft } from "./check-document.js";
import type { Checker } from "./checker.js";

type ServiceDraft = NonNullable<NonNullable<DocumentDraft["services"]>[number]>;
type HashOnDraft = NonNullable<NonNullable<ServiceDraft["balance"]>["hashOn"]>;
type RouteDraft = NonNullable<NonNullable<DocumentDraft["routes"]>[number]>;
type BackendDraft = NonNullable<NonNullable<RouteDraft["backends"]>[number]>;

export function checkBalance(document: DocumentDraft, { checker }: CheckContext): void {
  (document.services ?? []).forEach((service, index) => {
    if (service !== undefined) checkService(service, ["services", index, "balance"], checker);
  });
  const services = new Map((document.services ?? []).flatMap((service) => (service?.name === undefined ? [] : [[service.name, service]])));
  (document.routes ?? []).forEach((route, index) => {
    (route?.backends ?? []).forEach((backend, position) => {
      const service = services.get(backend?.service ?? "");
      if (route === undefined || backend === undefined) return;
      const at = ["routes", index, "backends", position];
      checkSubset(backend, service, at, checker);
      if (service?.balance?.hashOn?.claim !== undefined) checkClaim(route, at, checker);
    });
  });
}

function checkService({ balance }: ServiceDraft, path: DocumentPath, checker: Checker): void {
  if (balance?.algorithm === undefined) return;
  const { algorithm } = balance;
  const isHashing = algorithm === "ringHash" || algorithm === "maglev";
  if (isHashing && !checker.isWritten([...path, "hashOn"])) {
    checker.error(
      [...path, "algorithm"],
      `${algorithm} needs hashOn`,
      "say what equal requests have in common: hashOn: { cookie: session }",
    );
  }
  for (const key of isHashing ? [] : ["hashOn", "maxLoad"]) {
    if (checker.isWritten([...path, key])) {
      checker.error([...path, key], `has no effect with algorithm ${algorithm}`, "write algorithm: ringHash or maglev");
    }
  }
  if (isHashing && checker.isWritten([...path, "slowStart"]) && parseDuration(balance.slowStart ?? "0s") !== 0) {
    checker.error(
      [...path, "slowStart"],
      `has no effect with algorithm ${algorithm}`,
      "keys belong to endpoints, whether they are warm or not",
    );
  }
  checkHashOn(balance.hashOn, [...path, "hashOn"], checker);
}

function checkHashOn(hashOn: HashOnDraft | undefined, path: DocumentPath, checker: Checker): void {
  if (hashOn === undefined) return;
  const written = HASH_PARTS.filter((part) => checker.isWritten([...path, part]));
  if (written.length === 0) checker.error(path, "names nothing to hash on", `write one of ${HASH_PARTS.join(", ")}`);
  if (written.length > 1) checker.error(path, `names ${written.length} things to hash on: ${written.join(", ")}`, "leave one of them");
  const [only] = written;
  if ((only === "address" || only === "path") && hashOn.fallback !== "random") {
    checker.error([...path, "fallback"], `has no effect: every request has its ${only}`);
  }
}

function checkSubset(backend: BackendDraft, service: ServiceDraft | undefined, path: DocumentPath, checker: Checker): void {
  const { subset } = backend;
  if (subset === undefined) {
    if (backend.subsetFallback === "all") checker.error([...path, "subsetFallback"], "has no effect without subset");
    return;
  }
  const wanted = Object.entries(subset);
  if (wanted.length === 0) checker.error([...path, "subset"], "names no label", "leave it out for all endpoints of the service");
  const endpoints = service?.endpoints?.static;
  if (endpoints === undefined || endpoints.some((endpoint) => endpoint?.labels === undefined)) return;
  const isEmpty = !endpoints.some((endpoint) => wanted.every(([name, value]) => endpoint?.labels?.[name] === value));
  if (isEmpty && wanted.length > 0) {
    const outcome = backend.subsetFallback === "all" ? "all of its endpoints are used" : "its requests are answered with 503";
    checker.warn([...path, "subset"], `no endpoint of the service has these labels: ${outcome}`);
  }
}

function checkClaim(route: RouteDraft, path: DocumentPath, checker: Checker): void {
  const filters = route.filters ?? [];
  if (filters.some((entry, index) => entry === undefined || checker.isWritten([...path.slice(0, 2), "filters", index, "jwt"]))) return;
  checker.warn([...path, "service"], "hashes on a claim, but the route has no jwt filter: its fallback decides about every request");
}
