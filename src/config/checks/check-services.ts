/** Services: endpoints that are different ones, TLS settings that are used and safe. */
import { parseDuration } from "../../engine/model/units.js";
import type { DocumentPath } from "../problems.js";
import type { CheckContext, DocumentDraft } from "./check-document.js";
import { checkEndpoints } from "./check-endpoints.js";
import { readRoots } from "./read-text.js";

type ServiceDraft = NonNullable<NonNullable<DocumentDraft["services"]>[number]>;

export function checkServices(document: DocumentDraft, context: CheckContext): void {
  (document.services ?? []).forEach((service, index) => {
    if (service !== undefined) checkService(service, ["services", index], context);
  });
  warnOnUnused(document, context);
}

function checkService(service: ServiceDraft, path: DocumentPath, context: CheckContext): void {
  const { checker } = context;
  checkEndpoints(service.endpoints, [...path, "endpoints"], context);
  checkTls(service, path, context);
  checkHealth(service, path, context);
  checkOutlier(service, path, context);
  checkWarm(service, path, context);
  if (service.protocol === "http1" && checker.isWritten([...path, "http2"])) {
    checker.error([...path, "http2"], "has no effect with protocol http1", "write protocol: h2c, h2 or https");
  }
}

function checkWarm({ warm, timeouts, circuit }: ServiceDraft, path: DocumentPath, { checker }: CheckContext): void {
  const at = [...path, "warm", "connections"];
  const { connections = 0 } = warm ?? {};
  if (connections === 0) return;
  if (timeouts?.keepAlive !== undefined && parseDuration(timeouts.keepAlive) === 0) {
    checker.error(at, "has no effect with timeouts.keepAlive 0s: no idle connection is kept");
  }
  const { maxConnections } = circuit ?? {};
  if (maxConnections !== undefined && connections > maxConnections)
    checker.error(at, `is more than circuit.maxConnections (${maxConnections})`);
}

function checkTls(service: ServiceDraft, path: DocumentPath, context: CheckContext): void {
  const { checker } = context;
  const at = [...path, "tls"];
  const { protocol } = service;
  if ((protocol === "http1" || protocol === "h2c") && checker.isWritten(at)) {
    checker.error(at, `has no effect with protocol ${protocol}`, `write protocol: ${protocol === "h2c" ? "h2" : "https"}`);
  }
  if (service.tls === undefined) return;
  if (service.tls.insecureSkipVerify === true) {
    checker.warn(
      [...at, "insecureSkipVerify"],
      "certificates of this service are not verified: anyone in between can read and change its traffic",
    );
  }
  if (service.tls.serverName?.startsWith("*.") === true) checker.error([...at, "serverName"], "must be one name, not a wildcard");
  if (protocol === "h2" && checker.isWritten([...at, "alpn"])) {
    checker.error([...at, "alpn"], "has no effect with protocol h2, which offers h2 alone", "write protocol: https");
  }
  readRoots([...at, "ca"], service.tls.ca, context);
}

/** Settings of other kinds of checks. */
const IDLE_WITH: Readonly<Record<"http" | "tcp" | "grpc", readonly string[]>> = {
  http: ["service"],
  tcp: ["path", "method", "statuses", "service", "host"],
  grpc: ["path", "method", "statuses"],
};

function checkHealth({ health, protocol }: ServiceDraft, path: DocumentPath, { checker }: CheckContext): void {
  if (health?.type === undefined) return;
  const at = [...path, "health"];
  for (const key of IDLE_WITH[health.type]) {
    if (checker.isWritten([...at, key])) checker.error([...at, key], `has no effect with type ${health.type}`);
  }
  if (health.type === "grpc" && protocol === "http1" && health.port === undefined) {
    checker.error([...at, "type"], "gRPC needs HTTP/2", "write protocol: h2c, or the port where the service speaks it");
  }
}

function checkOutlier({ outlier }: ServiceDraft, path: DocumentPath, { checker }: CheckContext): void {
  if (outlier === undefined) return;
  const at = [...path, "outlier"];
  const { baseEjectionTime, maxEjectionTime, consecutive5xx, consecutiveGatewayErrors, successRate } = outlier;
  if (isLonger(baseEjectionTime, maxEjectionTime) && checker.isWritten([...at, "maxEjectionTime"])) {
    checker.error([...at, "maxEjectionTime"], "must not be shorter than baseEjectionTime");
  }
  if (consecutive5xx === 0 && consecutiveGatewayErrors === 0 && successRate === undefined) checker.warn(at, "nothing is ever ejected");
}

function isLonger(one: string | undefined, other: string | undefined): boolean {
  return (parseDuration(one ?? "") ?? 0) > (parseDuration(other ?? "") ?? Number.POSITIVE_INFINITY);
}

/** Only in a document that is valid so far: a broken route may be the one that uses it. */
function warnOnUnused(document: DocumentDraft, context: CheckContext): void {
  const used = new Set((document.routes ?? []).flatMap((route) => (route?.backends ?? []).map((backend) => backend?.service)));
  (document.services ?? []).forEach((service, index) => {
    if (service?.name !== undefined && !used.has(service.name)) {
      context.checker.warn(["services", index, "name"], `no route uses ${context.checker.quote(["services", index, "name"])}`);
    }
  });
}
