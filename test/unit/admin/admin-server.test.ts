import assert from "node:assert/strict";
import { test } from "node:test";
import { createAdminServer } from "../../../src/admin/admin-server.js";
import { ask, memoryTrail, startServer, TOKENS, VERSION, VIEWS, WRITER } from "./fixtures.js";

const REST = { tokens: [], socketPath: "", version: "1.0.0", views: VIEWS, audit: memoryTrail() };

test("metrics are Prometheus text", async (t) => {
  const answer = await ask((await startServer(t)).port, "/metrics?x=1");
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
  assert.equal(answer.body, "windrose_workers 1\n");
});

test("views are JSON, never cached, and open to no other origin", async (t) => {
  const { port } = await startServer(t);
  const info = await ask(port, "/v1/info", { headers: { origin: "https://evil.example" } });
  assert.equal(JSON.parse(info.body).snapshotVersion, VERSION.version);
  assert.equal(info.headers["cache-control"], "no-store");
  assert.equal(info.headers["access-control-allow-origin"], undefined);
  assert.deepEqual(JSON.parse((await ask(port, "/v1/config")).body), { admin: { token: "[redacted]" } });
});

test("readiness says why not", async (t) => {
  const { port } = await startServer(t, { views: { readiness: () => ({ isReady: false, reasons: ["draining"] }) } });
  const answer = await ask(port, "/readyz");
  assert.equal(answer.status, 503);
  assert.deepEqual(JSON.parse(answer.body), { status: "unavailable", reasons: ["draining"] });
  assert.equal((await ask(port, "/healthz")).status, 200);
});

test("with a token everything but the probes asks for it", async (t) => {
  const { port } = await startServer(t, { tokens: TOKENS });
  for (const path of ["/metrics", "/v1/info", "/v1/config", "/nowhere"]) {
    const refused = await ask(port, path);
    assert.equal(refused.status, 401, path);
    assert.match(String(refused.headers["www-authenticate"]), /^Bearer /);
    assert.equal((await ask(port, path, { headers: { authorization: "Bearer wrong" } })).status, 401, path);
  }
  assert.equal((await ask(port, "/metrics", { headers: { authorization: `Bearer ${WRITER}` } })).status, 200);
  for (const path of ["/healthz", "/readyz"]) assert.equal((await ask(port, path)).status, 200, path);
});

test("on loopback a page that resolved its own name to this machine is refused", async (t) => {
  const { port } = await startServer(t);
  assert.equal((await ask(port, "/v1/config", { headers: { host: "evil.example" } })).status, 421);
  assert.equal((await ask(port, "/v1/config", { headers: { host: `localhost:${port}` } })).status, 200);
  assert.equal((await ask(port, "/readyz", { headers: { host: "evil.example" } })).status, 200);
});

test("unknown endpoints are 404, other methods 405, both as problem JSON", async (t) => {
  const { port } = await startServer(t);
  const unknown = await ask(port, "/nowhere");
  assert.equal(unknown.status, 404);
  assert.equal(JSON.parse(unknown.body).status, 404);
  const refused = await ask(port, "/metrics", { method: "POST" });
  assert.equal(refused.status, 405);
  assert.equal(refused.headers.allow, "GET, HEAD");
});

test("HEAD answers without a body", async (t) => {
  const answer = await ask((await startServer(t)).port, "/metrics", { method: "HEAD" });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["content-length"], "19");
  assert.equal(answer.body, "");
});

test("a view that fails is a 500 without details; the error goes to the caller of the server", async (t) => {
  const errors: unknown[] = [];
  const failure = new Error("s3cret path");
  const { port } = await startServer(t, { views: { metricsText: () => Promise.reject(failure) }, onError: (error) => errors.push(error) });
  const answer = await ask(port, "/metrics");
  assert.equal(answer.status, 500);
  assert.ok(!answer.body.includes("s3cret"));
  assert.deepEqual(errors, [failure]);
});

test("without a token nothing but loopback is bound", async () => {
  for (const host of ["0.0.0.0", "::", ""]) {
    const server = createAdminServer({ bind: { host, port: 0 }, ...REST });
    await assert.rejects(server.listen(), /token is required/);
    await server.close();
  }
});

test("a port in use is an error, and closing ends open connections", async (t) => {
  const { port } = await startServer(t);
  const second = createAdminServer({ bind: { host: "127.0.0.1", port }, ...REST });
  await assert.rejects(second.listen(), /admin: cannot listen on 127\.0\.0\.1:\d+: EADDRINUSE/);
  await second.close();
});
