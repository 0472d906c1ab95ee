import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { after, before, describe, it } from "node:test";
import { fetchOnce, logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { type HttpUpstream, type ReceivedRequest, startHttpUpstream } from "../support/upstream.js";

const BIG = randomBytes(3 * 1024 * 1024);

function answer(received: ReceivedRequest, response: ServerResponse): void {
  const path = received.target.split("?")[0];
  if (path === "/echo") return void response.end(received.body);
  if (path === "/204") return void response.writeHead(204).end();
  if (path === "/304") return void response.writeHead(304, { etag: '"x"' }).end();
  if (path === "/big") return void response.writeHead(200, { "content-length": BIG.length }).end(BIG);
  if (path === "/big-chunked") {
    for (let i = 0; i < BIG.length; i += 50_000) response.write(BIG.subarray(i, i + 50_000));
    return void response.end();
  }
  if (path === "/headers") {
    response.setHeader("set-cookie", ["a=1", "b=2"]);
    response.setHeader("x-hop", "1");
    response.setHeader("connection", "x-hop");
    response.setHeader("x-latin", "caf\u00e9");
  }
  // As bytes: with a string body, Node would send the header fields as UTF-8 too.
  response.end(Buffer.from(JSON.stringify({ target: received.target, headers: received.headers })));
}

describe("proxying over http", () => {
  let upstream: HttpUpstream;
  let gateway: Gateway;
  let base: string;

  before(async () => {
    upstream = await startHttpUpstream(answer);
    gateway = await startGateway(`
listeners: [{ name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http }]
routes:
  - name: all
    match: [{ path: { type: PathPrefix, value: / } }]
    backends: [{ service: app }]
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
    base = `http://127.0.0.1:${gateway.port("public")}`;
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  const last = (): ReceivedRequest => upstream.requests.at(-1) as ReceivedRequest;

  it("passes method, target and end-to-end headers, and adds what a proxy adds", async () => {
    const headers = { "x-one": "1", host: "api.example.com", connection: "x-drop", "x-drop": "1", "x-forwarded-for": "6.6.6.6" };
    const { status } = await fetchOnce(`${base}/a/b?x=1&y=%20`, { method: "DELETE", headers });
    assert.equal(status, 200);
    const seen = last();
    assert.equal(seen.method, "DELETE");
    assert.equal(seen.target, "/a/b?x=1&y=%20");
    assert.equal(seen.headers.host, "api.example.com");
    assert.equal(seen.headers["x-one"], "1");
    assert.equal(seen.headers["x-drop"], undefined);
    assert.equal(seen.headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(seen.headers["x-forwarded-proto"], "http");
    assert.equal(seen.headers["x-forwarded-host"], "api.example.com");
    assert.match(String(seen.headers.via), /^1\.1 windrose-[0-9a-f]+-public$/);
    assert.match(String(seen.headers["x-request-id"]), /^[0-9a-f-]{36}$/);
  });

  it("sends the normalised path, and keeps a bare question mark", async () => {
    // As options: a URL object would tidy both up before they are sent.
    await fetchOnce(base, { path: "/x?" });
    assert.equal(last().target, "/x?");
    await fetchOnce(base, { path: "/a/./b/../c//d/%7Eme" });
    assert.equal(last().target, "/a/c/d/~me");
  });

  it("passes duplicates and latin1 values down, and keeps hop-by-hop fields to itself", async () => {
    const { headers, rawHeaders } = await fetchOnce(`${base}/headers`);
    assert.deepEqual(headers["set-cookie"], ["a=1", "b=2"]);
    assert.equal(headers["x-hop"], undefined);
    assert.equal(headers["x-latin"], "caf\u00e9");
    assert.equal(rawHeaders.filter((name) => name.toLowerCase() === "date").length, 1);
    assert.equal(headers["uwebsockets"], undefined);
  });

  it("frames known lengths with Content-Length and unknown ones with chunks, byte for byte", async () => {
    const known = await fetchOnce(`${base}/big`);
    assert.equal(known.headers["content-length"], String(BIG.length));
    assert.equal(known.headers["transfer-encoding"], undefined);
    assert.ok(known.body.equals(BIG));
    const unknown = await fetchOnce(`${base}/big-chunked`);
    assert.equal(unknown.headers["transfer-encoding"], "chunked");
    assert.equal(unknown.headers["content-length"], undefined);
    assert.ok(unknown.body.equals(BIG));
  });

  it("streams request bodies of known and unknown length", async () => {
    const sha = (data: Buffer): string => createHash("sha256").update(data).digest("hex");
    const known = await fetchOnce(`${base}/echo`, { method: "POST", headers: { "content-length": BIG.length }, body: BIG });
    assert.equal(sha(known.body), sha(BIG));
    assert.equal(last().headers["content-length"], String(BIG.length));
    const chunked = await fetchOnce(`${base}/echo`, { method: "PUT", headers: { "transfer-encoding": "chunked" }, body: BIG });
    assert.equal(sha(chunked.body), sha(BIG));
    assert.equal(last().headers["transfer-encoding"], "chunked");
  });

  it("says Content-Length: 0 for a POST without a body", async () => {
    await fetchOnce(`${base}/x`, { method: "POST", headers: { "content-length": "0" } });
    assert.equal(last().headers["content-length"], "0");
    await fetchOnce(`${base}/x`, { method: "GET" });
    assert.equal(last().headers["content-length"], undefined);
  });

  it("answers HEAD, 204 and 304 without a body", async () => {
    const head = await fetchOnce(`${base}/big`, { method: "HEAD" });
    assert.equal(head.headers["content-length"], String(BIG.length));
    assert.equal(head.body.length, 0);
    const noContent = await fetchOnce(`${base}/204`);
    assert.deepEqual([noContent.status, noContent.headers["content-length"], noContent.body.length], [204, undefined, 0]);
    const notModified = await fetchOnce(`${base}/304`);
    assert.deepEqual([notModified.status, notModified.headers.etag, notModified.body.length], [304, '"x"', 0]);
  });

  it("refuses a request that comes back to it", async () => {
    await fetchOnce(`${base}/`);
    const via = String(last().headers.via);
    const { status, text } = await fetchOnce(`${base}/`, { headers: { via } });
    assert.equal(status, 508);
    assert.equal(JSON.parse(text).code, "loop-detected");
  });

  it("writes one access log line per exchange", async () => {
    await fetchOnce(`${base}/logged?secret=1`, { headers: { "user-agent": 'agent "7"' } });
    const line = await eventually(() => logLines(gateway.stdout()).find((entry) => entry.path === "/logged"), "the log line");
    assert.equal(line.status, 200);
    assert.equal(line.route, "all");
    assert.equal(line.service, "app");
    assert.equal(line.endpoint, upstream.address);
    assert.doesNotMatch(JSON.stringify(line), /secret/);
  });
});
