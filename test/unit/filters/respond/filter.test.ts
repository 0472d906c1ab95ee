import assert from "node:assert/strict";
import { test } from "node:test";
import { createRespondFilter } from "../../../../src/filters/respond/filter.js";
import { schema } from "../../../../src/filters/respond/schema.js";
import { createContext } from "../filter-context.js";

function reply(config: unknown, headers: string[] = []) {
  return createRespondFilter(schema.parse(config)).onRequest?.(createContext({ headers, path: "/x" }));
}

test("a text with templates is sent as it is written", () => {
  assert.deepEqual(reply({ status: 418, body: "{request.path} {{}}\n", headers: { "X-Who": "{client.ip}", "x-none": "{jwt.sub}" } }), {
    code: null,
    status: 418,
    headers: ["x-who", "192.0.2.1", "content-type", "text/plain; charset=utf-8"],
    body: "/x {}\n",
    detail: "",
    logDetail: "",
  });
});

test("a JSON value is sent literally", () => {
  const sent = reply({ json: { text: "{route}", list: [1, null] } });
  assert.ok(sent && !(sent instanceof Promise));
  assert.equal(sent.body, '{"text":"{route}","list":[1,null]}');
  assert.deepEqual(sent.headers, ["content-type", "application/json"]);
});

test("statuses without content have neither body nor type", () => {
  for (const status of [204, 205, 304]) {
    const sent = reply({ status, body: "ignored", headers: { "x-a": "1" } });
    assert.ok(sent && !(sent instanceof Promise));
    assert.deepEqual([sent.status, sent.body, sent.headers], [status, "", ["x-a", "1"]]);
  }
});
