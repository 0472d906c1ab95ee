import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Endpoint } from "../../../../src/engine/model/endpoint.js";
import { countPicks, endpointsOf, pick, pickerOf } from "./endpoints.js";

describe("least request", () => {
  it("prefers the less loaded of two endpoints", () => {
    const endpoints = endpointsOf([1, 1]);
    endpoints[0]!.inFlight = 3;
    assert.deepEqual(countPicks(pickerOf(endpoints, { algorithm: "leastRequest" }), endpoints, 1_000), [0, 1_000]);
  });

  it("never picks the most loaded of several", () => {
    const endpoints = endpointsOf([1, 1, 1, 1]);
    endpoints[2]!.inFlight = 1;
    assert.equal(countPicks(pickerOf(endpoints, { algorithm: "leastRequest" }), endpoints, 1_000)[2], 0);
  });

  it("measures load against weight", () => {
    const endpoints = endpointsOf([1, 10]);
    endpoints[0]!.inFlight = 2;
    endpoints[1]!.inFlight = 11;
    assert.deepEqual(countPicks(pickerOf(endpoints, { algorithm: "leastRequest" }), endpoints, 1_000), [0, 1_000]);
  });

  it("keeps load proportional to weight while requests pile up", () => {
    const endpoints = endpointsOf([1, 2, 3, 4]);
    const picker = pickerOf(endpoints, { algorithm: "leastRequest" });
    for (let i = 0; i < 10_000; i++) (pick(picker, { random: (i * 0.618_033_988_749_895) % 1 }) as Endpoint).inFlight++;
    for (const { weight, inFlight } of endpoints) assert.ok(Math.abs(inFlight / weight - 1_000) < 30, `${weight}: ${inFlight}`);
  });
});
