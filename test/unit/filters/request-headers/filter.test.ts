import assert from "node:assert/strict";
import { test } from "node:test";
import { createRequestHeadersFilter } from "../../../../src/filters/request-headers/filter.js";
import { schema } from "../../../../src/filters/request-headers/schema.js";
import { createContext, type TestRequest } from "../filter-context.js";

function run(config: unknown, request: TestRequest): string[] {
  const context = createContext(request);
  assert.equal(createRequestHeadersFilter(schema.parse(config)).onRequest?.(context), null);
  return context.request.headers;
}

test("set replaces every field of the name, add keeps them, remove removes them", () => {
  const config = { set: { "X-A": "new" }, add: { "x-b": "2" }, remove: ["X-C"] };
  const headers = ["x-a", "old", "x-b", "1", "x-a", "older", "x-c", "gone", "accept", "*/*"];
  assert.deepEqual(run(config, { headers }), ["x-b", "1", "accept", "*/*", "x-a", "new", "x-b", "2"]);
});

test("a header can be renamed in one step", () => {
  const config = { set: { "x-new": "{request.header.x-old}" }, remove: ["x-old"] };
  assert.deepEqual(run(config, { headers: ["x-old", "v"] }), ["x-new", "v"]);
});

test("set with a missing value still removes what the client sent", () => {
  const config = { set: { "x-tenant": "{jwt.tenant}" } };
  assert.deepEqual(run(config, { headers: ["x-tenant", "forged", "x_tenant", "forged"] }), []);
});

test("a client's other spelling of a set header does not get through", () => {
  const principal = { provider: "main", subject: "ann", claims: { sub: "ann" } };
  assert.deepEqual(run({ set: { "x-user-id": "{jwt.sub}" } }, { headers: ["x_user-id", "root", "x-user_id", "root"], principal }), [
    "x-user-id",
    "ann",
  ]);
});

test("a claim with line breaks adds no header", () => {
  const principal = { provider: "main", subject: "", claims: { sub: "a\r\nx-admin: 1" } };
  assert.deepEqual(run({ set: { "x-user": "{jwt.sub}" }, add: { "x-by": "by {jwt.sub}" } }, { principal }), ["x-by", "by"]);
});
