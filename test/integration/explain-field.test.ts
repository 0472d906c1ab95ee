/** `x-windrose-explain`: an answer to "why did it go there?" for those who may ask, and nothing for anybody else. */
import assert from "node:assert/strict";
import { get, type IncomingHttpHeaders } from "node:http";
import { after, before, describe, it } from "node:test";
import { type Gateway, startGateway } from "../support/gateway.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";

const ADMIN = "token-of-the-admin-in-this-test";
const FIELD = "x-windrose-explain";

describe("the explain field", () => {
  let upstream: HttpUpstream;
  let gateway: Gateway;
  let other: Gateway;

  before(async () => {
    upstream = await startHttpUpstream();
    const yaml = `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }, { name: own, bind: "127.0.0.1:0", protocol: h2c }]
routes:
  - name: orders
    match: [{ path: { value: /orders } }]
    filters: [{ requestHeaders: { set: { x-a: b } } }]
    backends: [{ service: "orders" }]
  - { name: gone, match: [{ path: { value: /gone } }], filters: [{ respond: { status: 410 } }] }
services: [{ name: orders, endpoints: { static: [{ address: "${upstream.address}" }] } }]
admin: { bind: "127.0.0.1:0", token: ${ADMIN} }
workers: 2
`;
    [gateway, other] = await Promise.all([startGateway(yaml), startGateway(yaml)]);
  });
  after(async () => {
    await Promise.all([gateway?.stop(), other?.stop()]);
    await upstream?.close();
  });

  async function tokenOf(issuer: Gateway, ttlMs: number): Promise<string> {
    const response = await fetch(`${issuer.admin.url}/v1/explain-tokens`, {
      method: "POST",
      headers: { authorization: `Bearer ${ADMIN}`, "content-type": "application/json" },
      body: JSON.stringify({ ttlMs }),
    });
    assert.equal(response.status, 200, await response.clone().text());
    return ((await response.json()) as { token: string }).token;
  }

  function ask(path: string, token: string | null, listener = "plain"): Promise<{ status: number; headers: IncomingHttpHeaders }> {
    return new Promise((resolve, reject) => {
      const headers = token === null ? {} : { [FIELD]: token };
      get({ host: "127.0.0.1", port: gateway.port(listener), path, headers, agent: false }, (response) => {
        response.resume().once("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers }));
      }).once("error", reject);
    });
  }

  it("tells the holder of a token how each request was decided, on every listener and worker", async () => {
    const token = await tokenOf(gateway, 60_000);
    for (const listener of ["plain", "own", "plain", "own"]) {
      const { headers } = await ask("/orders/1?x=y", token, listener);
      const shown = String(headers[FIELD]);
      assert.match(
        shown,
        new RegExp(`^version="[0-9a-f]{16}", listener="${listener}", route="orders", match="/orders", filters="requestHeaders"`),
      );
      assert.ok(shown.includes(`service="orders", endpoint="${upstream.address}", attempts=1, request-id="`), shown);
    }
    assert.match(String((await ask("/gone", token)).headers[FIELD]), /route="gone".*attempts=0/);
    assert.match(String((await ask("/nowhere", token)).headers[FIELD]), /error="route-not-found"/);
    assert.match(String((await ask("/orders/%00", token)).headers[FIELD]), /error="bad-request", detail="/);
  });

  it("has an elder sister in the admin API: what would become of a request, with the endpoints as they are now", async () => {
    const response = await fetch(`${gateway.admin.url}/v1/explain`, {
      method: "POST",
      headers: { authorization: `Bearer ${ADMIN}`, "content-type": "application/json" },
      body: JSON.stringify({ request: "GET http://any.test/orders/1", listener: "plain" }),
    });
    const { explanation } = (await response.json()) as { explanation: { backends: { endpoints: { address: string; state: string }[] }[] } };
    assert.deepEqual(
      explanation.backends[0]?.endpoints.map(({ address, state }) => `${address} ${state}`),
      [`${upstream.address} 0 under way`],
    );
  });

  it("tells nobody else, and no service ever sees the field", async () => {
    const [good, foreign] = await Promise.all([tokenOf(gateway, 60_000), tokenOf(other, 60_000)]);
    const [prefix, seconds, signature] = good.split(".") as [string, string, string];
    const flipped = `${prefix}.${seconds}.${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`;
    const later = `${prefix}.${Number(seconds) + 60}.${signature}`;
    const bad = [null, "", ADMIN, `Bearer ${ADMIN}`, foreign, flipped, later, `${good}x`, `${good}, ${good}`, "wx1..", "a".repeat(4_000)];
    for (const token of bad) {
      for (const path of ["/orders", "/gone", "/nowhere"]) {
        for (const listener of ["plain", "own"]) {
          assert.equal((await ask(path, token, listener)).headers[FIELD], undefined, `${token} at ${path}`);
        }
      }
    }
    await ask("/orders", good);
    for (const { headers } of upstream.requests) assert.equal(headers[FIELD], undefined);
    assert.equal(gateway.stdout().includes(good), false);
    assert.equal(gateway.stderr().includes(good), false);
  });
});
