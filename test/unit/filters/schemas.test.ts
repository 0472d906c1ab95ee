import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import * as jwt from "../../../src/filters/jwt/schema.js";
import * as rateLimit from "../../../src/filters/rate-limit/schema.js";
import * as redirect from "../../../src/filters/redirect/schema.js";
import * as requestHeaders from "../../../src/filters/request-headers/schema.js";
import * as respond from "../../../src/filters/respond/schema.js";
import * as responseHeaders from "../../../src/filters/response-headers/schema.js";

const SCHEMAS: Record<string, z.ZodType> = {
  jwt: jwt.schema,
  rateLimit: rateLimit.schema,
  redirect: redirect.schema,
  requestHeaders: requestHeaders.schema,
  respond: respond.schema,
  responseHeaders: responseHeaders.schema,
};

function problems(schema: z.ZodType, input: unknown): string[] {
  const result = schema.safeParse(input);
  return result.success ? [] : result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
}

test("every filter fills in its defaults", () => {
  assert.deepEqual(jwt.schema.parse({ provider: "main" }), {
    provider: "main",
    required: true,
    forwardToken: true,
    requireExp: true,
    scopes: [],
    claimsToHeaders: [],
    tokenFrom: { header: "authorization", scheme: "Bearer" },
    realm: "windrose",
  });
  assert.deepEqual(rateLimit.schema.parse({ limit: 10, per: "1m30s" }), {
    limit: 10,
    per: 90_000,
    burst: 0,
    key: ["ip"],
    dryRun: false,
    onStoreFailure: "local",
  });
  assert.deepEqual(redirect.schema.parse({}), { statusCode: 302 });
  assert.deepEqual(requestHeaders.schema.parse({}), { set: {}, add: {}, remove: [] });
  assert.deepEqual(responseHeaders.schema.parse({ remove: ["Server"] }), { set: {}, add: {}, remove: ["server"] });
  assert.deepEqual(respond.schema.parse({}), {
    status: 200,
    headers: {},
    body: "",
    jsonText: "",
    contentType: "text/plain; charset=utf-8",
  });
  assert.equal(respond.schema.parse({ json: null }).jsonText, "null");
});

test("unknown keys and bad values are problems at their place", () => {
  const cases: [z.ZodType, unknown, RegExp][] = [
    [jwt.schema, { provider: "a", extra: 1 }, /extra/],
    [
      jwt.schema,
      { provider: "a", claimsToHeaders: [{ claim: "sub", header: "host" }] },
      /claimsToHeaders\.0\.header: `host` is set by the gateway/,
    ],
    [jwt.schema, { provider: "a", claimsToHeaders: [{ claim: "sub", header: "Authorization" }] }, /where the token comes from/],
    [jwt.schema, { provider: "a", realm: 'a"b' }, /realm/],
    [jwt.schema, { provider: "a", scopes: ["a b"] }, /scopes\.0/],
    [rateLimit.schema, { limit: 0, per: "1s" }, /limit/],
    [rateLimit.schema, { limit: 1, per: "fast" }, /per: `fast` is not a duration/],
    [rateLimit.schema, { limit: 1, per: "10ms" }, /per: must be from 100ms to 168h/],
    [rateLimit.schema, { limit: 1, per: "200h" }, /per: must be from 100ms to 168h/],
    [rateLimit.schema, { limit: 1, per: "1s", key: "user" }, /key: `user` is not a rate limit key/],
    [rateLimit.schema, { limit: 1, per: "1s", key: ["ip", "{x}"] }, /key\.1/],
    [rateLimit.schema, { limit: 1, per: "1s", key: "{{fixed}}" }, /same for every request/],
    [rateLimit.schema, { limit: 1, per: "1s", name: 'a"b' }, /name/],
    [requestHeaders.schema, { set: { "Content-Length": "1" } }, /set\.Content-Length: `content-length` is set by the gateway/],
    [requestHeaders.schema, { add: { "Transfer-Encoding": "x" }, remove: ["connection"] }, /transfer-encoding/],
    [requestHeaders.schema, { set: { "a b": "1" } }, /set\.a b: not a header name/],
    [requestHeaders.schema, { set: { "X-A": "1", "x-a": "2" } }, /there twice/],
    [requestHeaders.schema, { set: { "x-a": "a\r\nb: c" } }, /line breaks/],
    [requestHeaders.schema, { set: { "x-a": "{jwt.sub" } }, /not closed, at character 1/],
    [responseHeaders.schema, { set: { upgrade: "x" } }, /upgrade/],
    [redirect.schema, { hostname: "a/b" }, /hostname/],
    [redirect.schema, { path: { type: "ReplaceFullPath", value: "//evil.example" } }, /path\.value/],
    [redirect.schema, { path: { type: "ReplaceFullPath", value: "/a\r\nb" } }, /path\.value/],
    [redirect.schema, { statusCode: 300 }, /statusCode/],
    [respond.schema, { status: 101 }, /status/],
    [respond.schema, { body: "x", json: {} }, /exclude/],
    [respond.schema, { headers: { "content-type": "x" } }, /contentType/],
  ];
  for (const [schema, input, expected] of cases) assert.match(problems(schema, input).join("\n"), expected, JSON.stringify(input));
});

test("header names are lower-cased", () => {
  assert.deepEqual(requestHeaders.schema.parse({ set: { "X-Tenant": "{jwt.tenant}" }, remove: ["X-Internal"] }), {
    set: { "x-tenant": "{jwt.tenant}" },
    add: {},
    remove: ["x-internal"],
  });
});

test("the facts tell the compiler what a filter needs and does", () => {
  assert.deepEqual(jwt.facts(jwt.schema.parse({ provider: "main" })), { jwtProvider: "main", readsPrincipal: false, alwaysReplies: false });
  const limitFacts = (key: unknown) => rateLimit.facts(rateLimit.schema.parse({ limit: 1, per: "1s", key })).readsPrincipal;
  assert.equal(limitFacts("ip"), false);
  assert.equal(limitFacts(["ip", "jwt.sub"]), true);
  assert.equal(limitFacts("{request.method}-{jwt.sub}"), true);
  assert.equal(requestHeaders.facts(requestHeaders.schema.parse({ add: { "x-a": "{jwt.a}" } })).readsPrincipal, true);
  assert.equal(responseHeaders.facts(responseHeaders.schema.parse({ set: { "x-a": "{route}" } })).readsPrincipal, false);
  assert.equal(redirect.facts(redirect.schema.parse({})).alwaysReplies, true);
  assert.deepEqual(respond.facts(respond.schema.parse({ body: "hi {jwt.sub}" })), {
    jwtProvider: "",
    readsPrincipal: true,
    alwaysReplies: true,
  });
});

test("the JSON Schema describes every field", () => {
  for (const [name, schema] of Object.entries(SCHEMAS)) {
    const json = z.toJSONSchema(schema, { io: "input" }) as { properties: Record<string, { description?: string }> };
    for (const [field, property] of Object.entries(json.properties)) assert.ok(property.description, `${name}.${field} has no description`);
  }
});
