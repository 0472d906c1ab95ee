import assert from "node:assert/strict";
import { test } from "node:test";
import { createResponseHeadersFilter } from "../../../../src/filters/response-headers/filter.js";
import { schema } from "../../../../src/filters/response-headers/schema.js";
import { createContext } from "../filter-context.js";

test("the response's headers are removed, set and added, with templates on the request", () => {
  const filter = createResponseHeadersFilter(
    schema.parse({ set: { "x-route": "{route}", "x-user": "{jwt.sub}" }, add: { "set-cookie": "b=2" }, remove: ["Server"] }),
  );
  const response = { status: 200, headers: ["server", "nginx", "set-cookie", "a=1", "x-user", "from-upstream"] };
  filter.onResponse?.(createContext(), response);
  assert.deepEqual(response, { status: 200, headers: ["set-cookie", "a=1", "x-route", "orders", "set-cookie", "b=2"] });
  assert.equal(filter.onRequest, undefined);
});
