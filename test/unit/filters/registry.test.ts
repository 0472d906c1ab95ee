import assert from "node:assert/strict";
import { test } from "node:test";
import * as jwt from "../../../src/filters/jwt/schema.js";
import { createTokenVerifiers } from "../../../src/filters/jwt/token-verifiers.js";
import * as rateLimit from "../../../src/filters/rate-limit/schema.js";
import { createFilters, type FilterServices } from "../../../src/filters/registry.js";
import { schema as respondSchema } from "../../../src/filters/respond/schema.js";
import { createLeaseClient } from "../../../src/limits/lease-client.js";
import { createMemoryLimitStore } from "../../../src/limits/lease-store.js";
import { createContext } from "./filter-context.js";
import { CLAIMS, createKey, createProvider, NOW_MS, sign, TestKeySource } from "./jwt/issuer.js";

const key = await createKey("ES256");

function createServices(): FilterServices {
  const store = createMemoryLimitStore({ maxKeys: 100 });
  return {
    tokens: createTokenVerifiers({ keys: new TestKeySource([key.jwk]), now: () => NOW_MS, warn: assert.fail }),
    limits: createLeaseClient((request) => store.lease(request), { now: Date.now, maxKeys: 100, workers: 1, warn: assert.fail }),
    onDryRunLimited: () => {},
    routeName: "orders",
    jwtProviders: [createProvider()],
  };
}

test("a chain of real filters: token, limit per subject, answer", async () => {
  const specs = [
    { type: "jwt", config: jwt.schema.parse({ provider: "main" }) },
    { type: "rateLimit", config: rateLimit.schema.parse({ limit: 2, per: "1h", key: "jwt.sub" }) },
    { type: "respond", config: respondSchema.parse({ body: "hello {jwt.sub}" }) },
  ];
  const chain = createFilters(specs, createServices());
  assert.deepEqual(
    chain.map((filter) => filter.type),
    ["jwt", "rateLimit", "respond"],
  );
  const call = async (sub: string): Promise<string> => {
    const context = createContext({ headers: ["authorization", `Bearer ${await sign(key, { ...CLAIMS, sub })}`] });
    for (const filter of chain) {
      const reply = (await filter.onRequest?.(context)) ?? null;
      if (reply !== null) return reply.code ?? reply.body;
    }
    return "";
  };
  assert.deepEqual([await call("ann"), await call("ann"), await call("ann")], ["hello ann", "hello ann", "rate-limited"]);
  assert.equal(await call("bob"), "hello bob");
});

test("every type of filter can be built, and an unknown one cannot", () => {
  const types = ["redirect", "respond", "requestHeaders", "responseHeaders"];
  const configs = [{ statusCode: 302 }, respondSchema.parse({}), { set: {}, add: {}, remove: [] }, { set: {}, add: {}, remove: [] }];
  const specs = types.map((type, index) => ({ type, config: configs[index] }));
  assert.deepEqual(
    createFilters(specs, createServices()).map((filter) => filter.type),
    types,
  );
  assert.throws(() => createFilters([{ type: "magic", config: {} }], createServices()), /unknown filter type magic/);
});
