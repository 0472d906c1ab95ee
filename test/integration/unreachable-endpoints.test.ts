import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Endpoint } from "../../loadtest/chaos/endpoints.js";
import { fetchOnce, logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";

/** Connecting takes longer (5 s) than a request may, and nobody answers: as when a host has gone, whose packets are dropped. */
describe("endpoints that cannot be reached", () => {
  let directory = "";
  let lost: Endpoint;
  let good: HttpUpstream;
  let slow: HttpUpstream;
  const held: (() => void)[] = [];
  let gateway: Gateway;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "windrose-unreachable-"));
    lost = await Endpoint.start(directory, "", "");
    await lost.clog();
    good = await startHttpUpstream((_request, response) => void response.end("good"));
    slow = await startHttpUpstream((_request, response) => void held.push(() => response.end("at last")));
    const route = (name: string, timeouts: string, service = name): string =>
      `  - { name: ${name}, match: [{ path: { value: /${name} } }], backends: [{ service: ${service} }], timeouts: { ${timeouts} } }`;
    const service = (name: string, addresses: readonly string[], rest: string): string =>
      `  - { name: ${name}, endpoints: { static: [${addresses.map((address) => `{ address: "${address}" }`).join(", ")}] }, ${rest} }`;
    gateway = await startGateway(`
listeners: [{ name: public, direction: ingress, bind: 127.0.0.1:0, protocol: http }]
routes:
${route("http1", "request: 300ms")}
${route("h2c", "request: 300ms")}
${route("patient", "request: 0s", "queue")}
${route("queue", "request: 300ms")}
${route("queue-attempt", "request: 10s, backendRequest: 300ms", "queue")}
${route("post", "request: 10s, backendRequest: 300ms")}
services:
${service("http1", [lost.address], "outlier: {}")}
${service("h2c", [lost.address], "outlier: {}, protocol: h2c")}
${service("queue", [slow.address], "outlier: { consecutive5xx: 2 }, circuit: { maxConnections: 1 }")}
${service("post", [lost.address, good.address], "outlier: {}")}
workers: 1
admin: { bind: 127.0.0.1:0 }
`);
  });
  after(async () => {
    await gateway?.stop();
    lost?.end();
    await good?.close();
    await slow?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const ask = async (path: string, method = "GET"): Promise<number> =>
    (await fetchOnce(`http://127.0.0.1:${gateway.port("public")}/${path}`, { method })).status;
  const stateOf = async (service: string): Promise<string | undefined> => {
    const { services } = JSON.parse((await fetchOnce(`${gateway.admin.url}/v1/services`)).text) as {
      services: { name: string; endpoints: { state: string }[] }[];
    };
    return services.find(({ name }) => name === service)?.endpoints[0]?.state;
  };

  for (const protocol of ["http1", "h2c"]) {
    it(`are ejected though requests give up before the connect does (${protocol})`, async () => {
      assert.deepEqual(await Promise.all(Array.from({ length: 4 }, () => ask(protocol))), [504, 504, 504, 504]);
      assert.equal(await stateOf(protocol), "healthy");
      assert.equal(await ask(protocol), 504);
      assert.equal(await stateOf(protocol), "ejected");
    });
  }

  for (const name of ["queue", "queue-attempt"]) {
    it(`are not those behind whose limit of connections requests wait too long (${name})`, async () => {
      const first = ask("patient");
      await eventually(() => held.length === 1, "it holds the only connection");
      const statuses = await Promise.all(Array.from({ length: 5 }, () => ask(name)));
      assert.ok(statuses.every((status) => status === 504));
      assert.equal(await stateOf("queue"), "healthy");
      held.pop()?.();
      assert.equal(await first, 200);
    });
  }

  it("are left for another one in the time of one attempt, whatever the method, for nothing was sent", async () => {
    for (let i = 0; i < 4; i++) assert.equal(await ask("post", "POST"), 200);
    const lines = await eventually(() => {
      const posts = logLines(gateway.stdout()).filter(({ path }) => path === "/post");
      return posts.length === 4 && posts;
    }, "four log lines");
    assert.ok(Array.isArray(lines) && lines.some(({ attempts }) => attempts === 2));
  });
});
