/** Endpoints that only show: metrics, probes, what runs, what is served, who changed it. */
import { json } from "./answers.js";
import type { AuditTrail } from "./audit.js";
import { type Endpoint, endpoint } from "./endpoint.js";
import * as schemas from "./schemas.js";
import type { StatusViews } from "./views.js";

const PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8";

export function statusEndpoints(views: StatusViews, audit: AuditTrail): Endpoint[] {
  return [
    endpoint({
      method: "GET",
      path: "/metrics",
      id: "getMetrics",
      about: "Metrics for Prometheus, summed over workers.",
      access: "read",
      answers: { 200: { about: "Prometheus text.", contentType: PROMETHEUS_TEXT, schema: null } },
      answer: async () => ({ status: 200, contentType: PROMETHEUS_TEXT, body: await views.metricsText(), outcome: "ok" }),
    }),
    probe({ path: "/healthz", id: "getHealth", about: "Liveness: whether this process should be left alone." }, () => {
      const { isHealthy, reasons } = views.health();
      return { isFine: isHealthy, reasons };
    }),
    probe({ path: "/readyz", id: "getReadiness", about: "Readiness: whether traffic should be sent here." }, () => {
      const { isReady, reasons } = views.readiness();
      return { isFine: isReady, reasons };
    }),
    endpoint({
      method: "GET",
      path: "/v1/info",
      id: "getInfo",
      about: "What runs: versions, workers, listeners.",
      access: "read",
      answers: { 200: { about: "What runs.", schema: schemas.info } },
      answer: () => json(200, views.info()),
    }),
    endpoint({
      method: "GET",
      path: "/v1/services",
      id: "getServices",
      about: "Services and their endpoints: state, reasons, last checks.",
      access: "read",
      answers: { 200: { about: "In the order of the configuration.", schema: schemas.services } },
      answer: async () => json(200, { services: await views.services() }),
    }),
    endpoint({
      method: "GET",
      path: "/v1/config",
      id: "getConfig",
      about: "The configuration being served with all defaults filled in, without secrets.",
      access: "read",
      answers: { 200: { about: "The document.", schema: schemas.anyJson } },
      answer: () => json(200, views.snapshotView()),
    }),
    endpoint({
      method: "GET",
      path: "/v1/sources",
      id: "getSources",
      about: "Where endpoints are found at run time: how many, how old, and what went wrong last.",
      access: "read",
      answers: { 200: { about: "The sources.", schema: schemas.sourceList } },
      answer: () => json(200, { sources: views.sources() }),
    }),
    endpoint({
      method: "GET",
      path: "/v1/audit",
      id: "getAudit",
      about: "Attempts to change something, newest first.",
      access: "read",
      query: schemas.auditQuery,
      answers: { 200: { about: "Entries of the audit log.", schema: schemas.auditList } },
      answer: ({ query }) => json(200, { entries: audit.recent(query.limit) }),
    }),
  ];
}

interface ProbeState {
  readonly isFine: boolean;
  readonly reasons: readonly string[];
}

function probe(text: Pick<Endpoint, "path" | "id" | "about">, state: () => ProbeState): Endpoint {
  return endpoint({
    ...text,
    method: "GET",
    access: "open",
    answers: { 200: { about: "Yes.", schema: schemas.health }, 503: { about: "No, and why.", schema: schemas.health } },
    answer: () => {
      const { isFine, reasons } = state();
      return json(isFine ? 200 : 503, { status: isFine ? "ok" : "unavailable", reasons });
    },
  });
}
