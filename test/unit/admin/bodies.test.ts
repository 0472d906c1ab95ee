/** What is sent to the server: bounds, types, times, and what is made of it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { structureFlaw } from "../../../src/admin/request-body.js";
import type { ApplyOrder } from "../../../src/admin/views.js";
import { eventually, within } from "../../support/gateway.js";
import { APPLIED, ask, post, startServer, TOKENS, WRITER } from "./fixtures.js";

const AUTHORIZED = { authorization: `Bearer ${WRITER}` };
const JSON_TYPE = { "content-type": "application/json" };
const TEXTS = [{ name: "windrose.yaml", text: "listeners: []" }];

async function startApplying(t: TestContext) {
  const orders: ApplyOrder[] = [];
  const started = await startServer(t, {
    tokens: TOKENS,
    views: {
      apply: async (order) => {
        orders.push(order);
        return APPLIED;
      },
    },
  });
  return { ...started, orders };
}

test("an order reaches the view whole, with defaults and the name of the caller", async (t) => {
  const { port, orders } = await startApplying(t);
  assert.equal((await post(port, "/v1/apply", { texts: TEXTS })).status, 200);
  const guard = { durationMs: 30_000, maxErrorRate: 0.02 };
  assert.equal((await post(port, "/v1/apply", { texts: TEXTS, note: "why", guard, isDryRun: true })).status, 200);
  assert.deepEqual(orders, [
    { texts: TEXTS, note: "", guard: null, isDryRun: false, author: "ci" },
    { texts: TEXTS, note: "why", guard, isDryRun: true, author: "ci" },
  ]);
});

test("a body that may be left out may be", async (t) => {
  const { port } = await startServer(t, { tokens: TOKENS });
  for (const path of ["/v1/reload", "/v1/explain-tokens"]) {
    assert.equal((await ask(port, path, { method: "POST", headers: AUTHORIZED })).status, 200, path);
  }
});

test("30 MiB of configuration are read, character for character", async (t) => {
  const { port, orders } = await startApplying(t);
  const text = `# "quoted" \\ ünïcode 🎏\n${"routes: [1, 2, {}]\n".repeat(1_600_000)}`;
  assert.equal((await post(port, "/v1/apply", { texts: [{ name: "a.yaml", text }] })).status, 200);
  assert.ok(orders[0]?.texts[0]?.text === text);
});

const REFUSED: readonly (readonly [what: string, path: string, body: string, headers: Record<string, string>, status: number])[] = [
  ["another content type", "/v1/reload", "{}", { "content-type": "text/plain" }, 415],
  ["no content type", "/v1/reload", "{}", {}, 415],
  ["a form", "/v1/reload", "a=b", { "content-type": "application/x-www-form-urlencoded" }, 415],
  ["another character set", "/v1/reload", "{}", { "content-type": "application/json; charset=latin1" }, 415],
  ["a compressed body", "/v1/reload", "{}", { ...JSON_TYPE, "content-encoding": "gzip" }, 415],
  ["no JSON", "/v1/rollback", "version: 3", JSON_TYPE, 400],
  ["half a JSON", "/v1/rollback", '{"version": "3', JSON_TYPE, 400],
  ["two documents", "/v1/reload", "{}{}", JSON_TYPE, 400],
  ["an array", "/v1/reload", "[]", JSON_TYPE, 400],
  ["null", "/v1/reload", "null", JSON_TYPE, 400],
  ["an unknown field", "/v1/reload", '{"force": true}', JSON_TYPE, 400],
  ["a prototype", "/v1/rollback", '{"version": "3", "__proto__": {"note": "x"}}', JSON_TYPE, 400],
  ["a constructor", "/v1/rollback", '{"version": "3", "constructor": {}}', JSON_TYPE, 400],
  ["deep JSON", "/v1/reload", "[".repeat(30_000), JSON_TYPE, 400],
  ["many values", "/v1/reload", `[${"1,".repeat(30_000)}1]`, JSON_TYPE, 400],
  ["more than 64 KiB", "/v1/rollback", JSON.stringify({ version: "3", note: "n".repeat(65_536) }), JSON_TYPE, 413],
  ["a long note", "/v1/rollback", JSON.stringify({ version: "3", note: "n".repeat(1001) }), JSON_TYPE, 400],
  ["a version that is a path", "/v1/rollback", '{"version": "../3"}', JSON_TYPE, 400],
  ["no texts", "/v1/apply", '{"texts": []}', JSON_TYPE, 400],
  ["a text without a name", "/v1/apply", '{"texts": [{"text": ""}]}', JSON_TYPE, 400],
  ["an error rate above 1", "/v1/apply", JSON.stringify({ texts: TEXTS, guard: { durationMs: 1000, maxErrorRate: 2 } }), JSON_TYPE, 400],
  ["a guard for ever", "/v1/apply", JSON.stringify({ texts: TEXTS, guard: { durationMs: 1e12, maxErrorRate: 0.1 } }), JSON_TYPE, 400],
  ["one name twice", "/v1/apply", JSON.stringify({ texts: [...TEXTS, ...TEXTS] }), JSON_TYPE, 400],
  ["an explain token for a year", "/v1/explain-tokens", '{"ttlMs": 31536000000}', JSON_TYPE, 400],
];

for (const [what, path, body, headers, status] of REFUSED) {
  test(`${what} is refused with ${status}, and repeats nothing of the body`, async (t) => {
    const { port, errors } = await startServer(t, { tokens: TOKENS });
    const answer = await ask(port, path, { method: "POST", headers: { ...AUTHORIZED, ...headers }, body });
    assert.equal(answer.status, status, answer.body);
    assert.equal(answer.headers["content-type"], "application/problem+json");
    assert.ok(answer.body.length < 2000);
    assert.deepEqual(errors, []);
    assert.equal((await ask(port, "/v1/info", { headers: AUTHORIZED })).status, 200);
  });
}

for (const name of [
  "../w.yaml",
  "a/../../w.yaml",
  "/etc/w.yaml",
  "a//w.yaml",
  "./w.yaml",
  ".w.yaml",
  "a/.w.yaml",
  "w.txt",
  "",
  "a\\w.yaml",
  "a\u0000.yaml",
  `${"n".repeat(255)}.yaml`,
]) {
  test(`a text named ${JSON.stringify(name.slice(0, 20))} is refused`, async (t) => {
    const { port, orders } = await startApplying(t);
    assert.equal((await post(port, "/v1/apply", { texts: [{ name, text: "" }] })).status, 400);
    assert.deepEqual(orders, []);
  });
}

test("bytes that are not UTF-8 are refused", async (t) => {
  const { port } = await startApplying(t);
  const head = `POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${WRITER}\r\nContent-Type: application/json\r\nContent-Length: 3\r\nConnection: close\r\n\r\n`;
  const socket = connect(port, "127.0.0.1");
  socket.write(Buffer.concat([Buffer.from(head), Buffer.from([0x22, 0xff, 0x22])]));
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  assert.match(text, /^HTTP\/1\.1 400 .*not UTF-8/s);
});

test("a body that says it is too large is refused before it is sent, one that does not say so in time", async (t) => {
  const { port } = await startApplying(t);
  const head = `POST /v1/apply HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${WRITER}\r\nContent-Type: application/json\r\n`;
  const announced = connect(port, "127.0.0.1");
  announced.write(`${head}Content-Length: 40000000\r\n\r\n`);
  const [first] = (await within(5000, once(announced, "data"), () => "no answer")) as [Buffer];
  assert.match(String(first), /^HTTP\/1\.1 413 /);
  const chunked = connect(port, "127.0.0.1");
  chunked.on("error", () => undefined);
  chunked.write(`${head}Transfer-Encoding: chunked\r\n\r\n`);
  const chunk = Buffer.concat([Buffer.from("100000\r\n"), Buffer.alloc(0x100000, 0x20), Buffer.from("\r\n")]);
  const answered = once(chunked, "data") as Promise<[Buffer]>;
  for (let i = 0; i < 36; i++) chunked.write(chunk);
  const [second] = await within(10_000, answered, () => "no answer");
  assert.match(String(second), /^HTTP\/1\.1 413 /);
  // What goes on sending after its answer is ended.
  for (const socket of [announced, chunked])
    await within(10_000, new Promise((resolve) => socket.once("close", resolve)), () => "still open");
});

test("nothing is read of a caller who may not ask: 100 Continue comes to those only who may", async (t) => {
  const { port } = await startApplying(t);
  const ask100 = async (token: string): Promise<string> => {
    const socket = connect(port, "127.0.0.1");
    t.after(() => socket.destroy());
    socket.write(
      `POST /v1/rollback HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 15\r\nExpect: 100-continue\r\n\r\n`,
    );
    const [data] = (await within(5000, once(socket, "data"), () => "no answer")) as [Buffer];
    return String(data).split("\r\n", 1)[0] ?? "";
  };
  assert.equal(await ask100("wrong"), "HTTP/1.1 401 Unauthorized");
  assert.equal(await ask100(WRITER), "HTTP/1.1 100 Continue");
});

test("a client that leaves in the middle of its body costs nothing but an entry in the audit log", async (t) => {
  const { port, orders, audit, errors } = await startApplying(t);
  const socket = connect(port, "127.0.0.1");
  socket.write(
    `POST /v1/apply HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${WRITER}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"texts":`,
    () => socket.destroy(),
  );
  const entry = await eventually(() => audit.entries[0], "an entry");
  assert.deepEqual([entry.caller, entry.operation, entry.outcome, entry.status], ["ci", "apply", "refused", 400]);
  assert.deepEqual([orders, errors], [[], []]);
});

test("structure is counted outside of strings only, and escapes do not end them", () => {
  const flaw = (text: string): string | null => structureFlaw(Buffer.from(text));
  assert.equal(flaw(JSON.stringify({ a: "[".repeat(1000), b: `\\"${"{,".repeat(20_000)}`, 'c"[[': "\\" })), null);
  assert.match(flaw("[".repeat(33)) ?? "", /deep/);
  assert.equal(flaw("[".repeat(32)), null);
  assert.match(flaw(`{"a":"\\\\","b":${"[".repeat(33)}`) ?? "", /deep/);
  assert.match(flaw(",".repeat(10_000)) ?? "", /more than 10000 values/);
  assert.equal(flaw('"'), null);
  assert.equal(flaw('"\\'), null);
});
