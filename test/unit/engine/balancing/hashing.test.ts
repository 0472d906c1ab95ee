/** What ringHash and maglev promise together: even shares, few keys that move, bounded load, the same in every worker. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { hashText } from "../../../../src/engine/balancing/hash.js";
import type { Endpoint } from "../../../../src/engine/model/endpoint.js";
import { endpointOf, endpointsOf, pick, pickerOf } from "./endpoints.js";

fc.configureGlobal({ seed: 1_618 });

const KEYS = Array.from({ length: 20_000 }, (_, index) => hashText(`user-${index}`));

/** A ring's shares are drawn: with 160 places each, one in thousands is off by more than four times 8 %. */
const ALGORITHMS = [
  { algorithm: "ringHash", spread: 0.35, moved: 0 },
  { algorithm: "maglev", spread: 0.06, moved: 0.03 },
] as const;

for (const { algorithm, spread, moved } of ALGORITHMS) {
  const map = (endpoints: readonly Endpoint[], keys = KEYS) => {
    const picker = pickerOf(endpoints, { algorithm });
    return keys.map((hash) => pick(picker, { hash })?.id);
  };

  describe(`consistent hashing by ${algorithm}`, () => {
    it("gives each endpoint its share by weight", () => {
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 }), (weights) => {
          const endpoints = endpointsOf(weights);
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          const owners = map(endpoints);
          weights.forEach((weight, index) => {
            const expected = (KEYS.length * weight) / total;
            const got = owners.filter((id) => id === endpoints[index]?.id).length;
            // Five deviations of drawing the keys, besides what the table itself is off.
            const allowed = spread * expected * Math.sqrt(Math.max(1, total / weights.length / weight)) + 5 * Math.sqrt(expected);
            assert.ok(Math.abs(got - expected) < allowed, `${weights}: ${got} instead of ${expected}`);
          });
        }),
        { numRuns: 25 },
      );
    });

    it("moves the keys of an endpoint that goes, and hardly any others", () => {
      fc.assert(
        fc.property(fc.integer({ min: 2, max: 30 }), fc.nat(29), (count, nth) => {
          const endpoints = endpointsOf(Array.from({ length: count }, () => 1));
          const gone = endpoints[nth % count] as Endpoint;
          const before = map(endpoints);
          endpoints[0]?.set.replace(endpoints.filter((endpoint) => endpoint !== gone));
          const after = map(endpoints);
          const others = before.filter((id, key) => id !== gone.id && id !== after[key]).length;
          assert.ok(others <= moved * KEYS.length, `${others} of ${KEYS.length} keys moved needlessly, ${count} endpoints`);
          assert.ok(before.filter((id) => id === gone.id).length < (KEYS.length / count) * (1 + spread) + 200);
        }),
        { numRuns: 25 },
      );
    });

    it("moves about one in n keys to an endpoint that comes", () => {
      const endpoints = endpointsOf([1, 1, 1, 1, 1, 1, 1, 1, 1]);
      const before = map(endpoints);
      const { set } = endpoints[0] as Endpoint;
      const added = endpointOf(9, {}, set);
      set.replace([...endpoints, added]);
      const changed = map(endpoints).filter((id, key) => id !== before[key]);
      assert.ok(changed.length > KEYS.length / 20 && changed.length < KEYS.length / 6, String(changed.length));
      assert.ok(changed.filter((id) => id !== added.id).length <= moved * KEYS.length);
    });

    it("gives the keys of an unhealthy endpoint to others, and all of them back", () => {
      const endpoints = endpointsOf([1, 2, 3, 1, 1]);
      const { set } = endpoints[0] as Endpoint;
      const picker = pickerOf(endpoints, { algorithm });
      const owners = () => KEYS.map((hash) => pick(picker, { hash }));
      const before = owners();
      const sick = endpoints[2] as Endpoint;
      sick.isHealthy = false;
      set.touch();
      const during = owners();
      before.forEach((owner, key) => (owner === sick ? assert.notEqual(during[key], sick) : assert.equal(during[key], owner)));
      const heirs = new Set(during.filter((_, key) => before[key] === sick));
      assert.equal(heirs.size, 4, "all others inherit");
      sick.isHealthy = true;
      set.touch();
      assert.deepEqual(owners(), before);
    });

    it("finds the few that are left among very many", () => {
      const endpoints = endpointsOf(Array.from({ length: 500 }, () => 1));
      for (const endpoint of endpoints.slice(2)) endpoint.isHealthy = false;
      const picker = pickerOf(endpoints, { algorithm, panicThresholdPercent: 0 });
      const counts = new Map<Endpoint, number>();
      for (const hash of KEYS) {
        const picked = pick(picker, { hash }) as Endpoint;
        assert.equal(pick(picker, { hash }), picked, "the same again");
        counts.set(picked, (counts.get(picked) ?? 0) + 1);
      }
      assert.deepEqual(new Set(counts.keys()), new Set(endpoints.slice(0, 2)));
      for (const count of counts.values()) assert.ok(count > KEYS.length / 4, String([...counts.values()]));
    });

    it("does not depend on the order of the endpoints", () => {
      const endpoints = endpointsOf([3, 1, 2, 5]);
      const before = map(endpoints);
      endpoints[0]?.set.replace([...endpoints].reverse());
      assert.deepEqual(map(endpoints), before);
    });

    it("keeps every endpoint's load within its bound, and keys at home while there is room", () => {
      const weights = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 10 });
      fc.assert(
        fc.property(weights, fc.constantFrom(101, 125, 200), fc.nat(), (shares, maxLoadPercent, seed) => {
          const endpoints = endpointsOf(shares);
          const { set } = endpoints[0] as Endpoint;
          const total = shares.reduce((sum, weight) => sum + weight, 0);
          const bounded = pickerOf(endpoints, { algorithm, maxLoadPercent });
          const free = pickerOf(endpoints, { algorithm });
          for (let i = 0; i < 300; i++) {
            // Every third request has the same key.
            const hash = i % 3 === 0 ? seed % 2 ** 32 : hashText(`${seed}-${i}`);
            const room = (endpoint: Endpoint) =>
              Math.ceil((((set.inFlight + 1) * endpoint.weight) / total) * (maxLoadPercent / 100) - 1e-9);
            const picked = pick(bounded, { hash }) as Endpoint;
            const home = pick(free, { hash }) as Endpoint;
            assert.ok(picked.inFlight < room(picked), `${picked.inFlight} of ${room(picked)}`);
            assert.equal(picked === home, home.inFlight < room(home));
            picked.inFlight++;
            set.inFlight++;
          }
        }),
      );
    });

    it("counts the load of its own part of a service only", () => {
      const set = endpointsOf([1])[0]!.set;
      const version = (index: number) => ({ labels: { version: index < 2 ? "v1" : "v2" } });
      set.replace([0, 1, 2].map((index) => endpointOf(index, version(index), set)));
      const [a, b, c] = set.endpoints as [Endpoint, Endpoint, Endpoint];
      const subset = { labels: { version: "v1" }, fallback: "none" } as const;
      const picker = pickerOf([a, b, c], { algorithm, maxLoadPercent: 125, subset });
      c.inFlight = 1_000;
      set.inFlight = 1_000;
      for (let i = 0; i < 100; i++) (pick(picker, { hash: 7 }) as Endpoint).inFlight++;
      assert.ok(Math.max(a.inFlight, b.inFlight) <= 63, `${a.inFlight}, ${b.inFlight}`);
    });
  });
}
