import assert from "node:assert/strict";
import { test } from "node:test";
import { WorkerOverrides } from "../../../../src/control/overrides/worker-overrides.js";
import { endpointOf, endpointSpec, endpointsOf } from "../../engine/balancing/endpoints.js";

const said = (endpoint: string, changes: { weight?: number; isDraining?: boolean } = {}, service = "s") => {
  return { service, endpoint, weight: null, isDraining: false, ...changes };
};

test("only the newest list counts, and names the services that it changes", () => {
  const overrides = new WorkerOverrides();
  assert.deepEqual(overrides.take({ version: 1, overrides: [] }), []);
  assert.deepEqual(overrides.take({ version: 3, overrides: [said("a:80", { weight: 2 }), said("b:80", { weight: 2 }, "other")] }), [
    "s",
    "other",
  ]);
  assert.equal(overrides.take({ version: 2, overrides: [] }), null);
  assert.equal(overrides.take({ version: 3, overrides: [] }), null);
  assert.deepEqual(overrides.take({ version: 4, overrides: [said("a:80", { weight: 2 })] }), ["other"]);
});

test("weights replace those of sources; 0 is one, and none is none", () => {
  const overrides = new WorkerOverrides();
  overrides.take({ version: 1, overrides: [said("a:80", { weight: 0 }), said("b:80", { isDraining: true })] });
  const specs = [endpointSpec("a"), endpointSpec("b", { weight: 4 })];
  assert.deepEqual(
    overrides.weigh("s", specs).map(({ weight }) => weight),
    [0, 4],
  );
  assert.equal(overrides.weigh("other", specs), specs);
  assert.equal(specs[0]?.weight, 1);
});

test("drained endpoints are, also those that come later, and what is restored starts slowly", () => {
  const overrides = new WorkerOverrides();
  const [a, b] = endpointsOf([1, 1]);
  const { set } = a!;
  const { generation } = set;
  overrides.take({ version: 1, overrides: [said(a!.id, { isDraining: true })] });
  overrides.drain("s", set, 5);
  overrides.drain("s", set, 6);
  assert.deepEqual([a?.isDraining, b?.isDraining, set.generation], [true, false, generation + 1]);
  const again = endpointOf(0, {}, set);
  set.replace([again, b!]);
  overrides.drain("s", set, 7);
  assert.equal(again.isDraining, true);
  overrides.take({ version: 2, overrides: [] });
  overrides.drain("s", set, 8);
  assert.deepEqual([again.isDraining, again.startedAt, b?.startedAt], [false, 8, 0]);
});
