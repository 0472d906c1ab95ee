import assert from "node:assert/strict";
import { test } from "node:test";
import { WorkerHealth } from "../../../src/control/worker-health.js";
import { endpointOf, endpointsOf } from "../engine/balancing/endpoints.js";

const message = (version: number, ...unhealthy: string[]) => ({ type: "health", service: "s", version, unhealthy }) as const;

test("endpoints are what the newest message says, and pickers hear of changes only", () => {
  const health = new WorkerHealth();
  const [a, b] = endpointsOf([1, 1]);
  const { set } = a!;
  const { generation } = set;
  assert.equal(health.take(message(2, a!.id)), true);
  health.apply("s", set, 5);
  assert.deepEqual([a?.isHealthy, b?.isHealthy, set.generation], [false, true, generation + 1]);
  assert.equal(health.take(message(1, b!.id)), false);
  health.apply("s", set, 6);
  assert.deepEqual([a?.isHealthy, b?.isHealthy, set.generation], [false, true, generation + 1]);
  health.take(message(3));
  assert.deepEqual(health.apply("s", set, 7), [a], "those that are healthy again");
  assert.deepEqual(health.apply("s", set, 7), []);
  assert.deepEqual([a?.isHealthy, a?.startedAt, b?.startedAt], [true, 7, 0]);
});

test("an endpoint that comes later is what was said of it, and an unknown service is nothing", () => {
  const health = new WorkerHealth();
  const { set } = endpointsOf([1])[0]!;
  const late = endpointOf(1, {}, set);
  health.take(message(1, late.id));
  health.apply("s", set, 1);
  set.replace([...set.endpoints, late]);
  health.apply("s", set, 2);
  assert.equal(late.isHealthy, false);
  health.retain(new Set());
  late.isHealthy = true;
  health.apply("s", set, 3);
  assert.equal(late.isHealthy, true);
});
