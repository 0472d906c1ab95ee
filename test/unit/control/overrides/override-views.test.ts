import assert from "node:assert/strict";
import { test } from "node:test";
import type { OverrideOrder } from "../../../../src/admin/views.js";
import { createEndpointOverrides, type EndpointOverrides } from "../../../../src/control/overrides/endpoint-overrides.js";
import { createOverrideViews, overrideReasons } from "../../../../src/control/overrides/override-views.js";
import { endpointSpec, serviceSpec } from "../../engine/balancing/endpoints.js";

const ORDER: OverrideOrder = {
  ...{ service: "orders", address: "10.0.0.1:80", weight: 5, isDraining: true, note: "", author: "ci", ttlMs: null },
};
const LATER = "2100-01-01T00:00:00.000Z";

function open(canWrite = true) {
  const overrides = createEndpointOverrides({ file: { read: () => [], write: () => canWrite }, onChange: () => {}, log: () => {} });
  const endpoints = [endpointSpec("10.0.0.1")];
  const views = createOverrideViews({ overrides, services: () => [serviceSpec(endpoints)], sources: { endpointsOf: () => endpoints } });
  return { overrides, views };
}

function ends(overrides: EndpointOverrides): readonly (string | null)[] {
  const [kept] = overrides.all();
  return [kept?.weightUntilMs ?? 0, kept?.drainingUntilMs ?? 0].map((ms) => (ms === 0 ? null : new Date(ms).toISOString()));
}

test("weight and draining last for the time that both are given, or each for its own", () => {
  const { overrides, views } = open();
  views.override(ORDER);
  assert.deepEqual(ends(overrides), [null, null]);
  views.override({ ...ORDER, ttlMs: 60_000 });
  const [weightEnd, drainingEnd] = ends(overrides);
  assert.equal(weightEnd, drainingEnd);
  assert.ok(Math.abs(Date.parse(weightEnd ?? "") - Date.now() - 60_000) < 5_000);
  views.override({ ...ORDER, weightUntil: LATER });
  assert.deepEqual(ends(overrides), [LATER, null]);
  views.override({ ...ORDER, ttlMs: 60_000, weightUntil: null, drainingUntil: LATER });
  assert.deepEqual(ends(overrides), [null, LATER]);
  views.override({ ...ORDER, weight: null, ttlMs: null, weightUntil: LATER });
  assert.deepEqual(ends(overrides), [null, null]);
  overrides.suspend();
});

test("a time that has passed is no time without an end", () => {
  const { overrides, views } = open();
  views.override({ ...ORDER, weightUntil: "1970-01-01T00:00:00Z", drainingUntil: "0001-01-01T00:00:00Z" });
  assert.deepEqual(
    overrides.all().map(({ weightUntilMs, drainingUntilMs }) => [weightUntilMs, drainingUntilMs]),
    [[1, 1]],
  );
  overrides.suspend();
});

test("reasons say how long each lasts", () => {
  const { overrides, views } = open();
  views.override({ ...ORDER, weightUntil: LATER, note: "disk" });
  const [reason] = overrideReasons(overrides.of("orders", "10.0.0.1:80"));
  assert.match(reason ?? "", /^drained, weight set to 5 until 2100-01-01T00:00:00\.000Z by ci at \S+: disk$/);
  overrides.suspend();
});

test("a disk that refuses is told of, also when something is taken back", () => {
  const { views } = open(false);
  const done = views.override(ORDER);
  assert.equal(done.result === "set" && done.isKept, false);
  const place = { service: "orders", address: "10.0.0.1:80" };
  assert.deepEqual(views.restore(place), { result: "restored", isKept: false, ...place });
  assert.equal(views.restore(place).result, "notFound");
});
