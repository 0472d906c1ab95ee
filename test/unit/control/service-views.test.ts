import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointReport } from "../../../src/control/protocol.js";
import { endpointStates, serviceViews } from "../../../src/control/service-views.js";
import type { EndpointRecord } from "../../../src/discovery/health/health-checks.js";
import { endpointSpec, serviceSpec } from "../engine/balancing/endpoints.js";

const REPORT: EndpointReport = {
  service: "orders",
  endpoint: "a:80",
  worker: 1,
  inFlight: 2,
  weight: 1,
  zone: "z",
  priority: 0,
  isHealthy: true,
  isDraining: false,
  ejectedForMs: 0,
  reasons: [],
  circuit: "closed",
  serviceCircuit: "closed",
  serviceReason: "",
  isPanicking: false,
};
const CHECK = { atMs: Date.UTC(2026, 0, 1), durationMs: 2.6, isPassed: false, text: "answered with status 500" };
const RECORD: EndpointRecord = { state: "unhealthy", sinceMs: Date.UTC(2026, 0, 1), checks: [CHECK] };
const SPEC = serviceSpec([endpointSpec("a")]);

function viewOf(reports: readonly Partial<EndpointReport>[], record: EndpointRecord | null = null) {
  const [view] = serviceViews(
    [SPEC],
    reports.map((report) => ({ ...REPORT, ...report })),
    { recordOf: () => record, overrideOf: () => null, endpointsOf: () => [{ ...endpointSpec("a"), labels: { version: "v1" } }] },
  );
  return view;
}

test("workers are put together", () => {
  const reasons = ["5 failures in a row"];
  const view = viewOf([
    { ejectedForMs: 900, reasons },
    { worker: 2, inFlight: 3 },
    { worker: 3, ejectedForMs: 1_500, reasons },
  ]);
  assert.deepEqual(view?.endpoints, [
    {
      address: "a:80",
      weight: 1,
      zone: "z",
      priority: 0,
      labels: { version: "v1" },
      state: "ejected",
      reasons: ["ejected by 2 of 3 workers for 1.5 s", "5 failures in a row"],
      override: null,
      inFlight: 7,
      circuit: "closed",
      ejectedBy: 2,
      ejectedForMs: 1_500,
      workers: 3,
      checks: [],
    },
  ]);
});

test("what checks say comes first", () => {
  const view = viewOf([{ isHealthy: false, isDraining: true }], RECORD);
  assert.equal(view?.endpoints[0]?.state, "unhealthy");
  assert.deepEqual(view?.endpoints[0]?.reasons, ["unhealthy since 2026-01-01T00:00:00.000Z: answered with status 500"]);
  assert.deepEqual(view?.endpoints[0]?.checks, [
    { at: "2026-01-01T00:00:00.000Z", durationMs: 3, isPassed: false, text: "answered with status 500" },
  ]);
  assert.equal(viewOf([{ isDraining: true }])?.endpoints[0]?.state, "draining");
});

test("the reasons of a service are told once", () => {
  const text = "circuit open, 60 % failed";
  const reports = [1, 2].flatMap((worker) => ["a:80", "b:80"].map((endpoint) => ({ worker, endpoint, serviceReason: text })));
  assert.deepEqual(viewOf(reports)?.reasons, [text]);
  assert.equal(viewOf(reports)?.endpoints.length, 2);
  assert.deepEqual(viewOf([])?.endpoints, []);
});

const NOTHING_KNOWN = { recordOf: () => null, overrideOf: () => null, endpointsOf: () => [] };

test("explain shows a line", () => {
  const states = endpointStates([{ ...REPORT, ejectedForMs: 500, reasons: ["5 failures in a row"] }], NOTHING_KNOWN);
  assert.equal(states("orders", "a:80"), "2 under way, ejected, ejected by 1 of 1 workers for 0.5 s, 5 failures in a row");
  assert.equal(states("orders", "b:80"), null);
  assert.equal(endpointStates([REPORT], NOTHING_KNOWN)("orders", "a:80"), "2 under way");
});
