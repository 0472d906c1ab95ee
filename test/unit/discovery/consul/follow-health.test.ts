/** Against a stand-in: Consul itself cannot run here. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { createConsulSource } from "../../../../src/discovery/consul/consul-source.js";
import type { Source, SourceRemarks } from "../../../../src/discovery/source.js";
import type { ConsulSourceSpec } from "../../../../src/engine/model/endpoint-source.js";
import type { EndpointSpec } from "../../../../src/engine/model/snapshot.js";
import { type Consul, startConsul } from "../../../support/consul.js";
import { eventually } from "../../../support/gateway.js";

const TOKEN = "b1gs33cr3t-0123456789";

describe("a source that follows Consul (a stand-in: Consul itself cannot run here)", () => {
  let consul: Consul;
  let sources: Source[];
  let found: { hosts: string; remarks: SourceRemarks | undefined; at: number }[];
  let failures: string[];
  beforeEach(async () => {
    consul = await startConsul({ datacenters: ["dc1", "dc2"], tokens: [TOKEN] });
    [sources, found, failures] = [[], [], []];
  });
  afterEach(async () => {
    for (const source of sources) source.stop();
    await consul.close();
  });

  function start(changes: Partial<ConsulSourceSpec> = {}): void {
    const spec: ConsulSourceSpec = {
      type: "consul",
      urls: [consul.url],
      tls: { caPem: "", certPem: "", keyPem: "", serverName: "", isVerified: true },
      ...{ service: "orders", datacenters: [], tags: [], filter: "", namespace: "", partition: "" },
      ...{ isPassingOnly: true, zoneKey: "zone", token: TOKEN, consistency: "default" },
      ...{ waitMs: 10_000, timeoutMs: 2_000, minimumEndpoints: 1 },
      ...changes,
    };
    const source = createConsulSource(spec, {
      found(endpoints: readonly EndpointSpec[], _isPartial, remarks) {
        const hosts = endpoints.map(({ host, priority }) => `${host}/${priority}`).join(" ");
        found.push({ hosts, remarks, at: performance.now() });
      },
      failed: (message) => failures.push(message),
      planned: () => {},
    });
    sources.push(source);
    source.start();
  }

  const last = (): string | undefined => found.at(-1)?.hosts;
  const reached = (hosts: string): Promise<unknown> => eventually(() => last() === hosts, hosts);
  const failed = (reason: RegExp): Promise<unknown> => eventually(() => failures.some((message) => reason.test(message)), String(reason));

  it("asks once and then waits for news with the index it was told", async () => {
    consul.set("orders", [{ address: "10.0.0.1", port: 80 }]);
    start({ tags: [], consistency: "stale", filter: 'Service.Meta.v == "1"', namespace: "n", partition: "p" });
    await eventually(() => consul.waiting() === 1, "a blocking query");
    consul.set("orders", [{ address: "10.0.0.2", port: 80 }]);
    await reached("10.0.0.2/0");
    await eventually(() => consul.waiting() === 1, "the next blocking query");
    const [first, ...others] = consul.questions.map(({ parameters }) => Object.fromEntries(parameters));
    assert.deepEqual(first, { filter: 'Service.Meta.v == "1"', ns: "n", partition: "p", passing: "1", stale: "1" });
    assert.deepEqual(others, [
      { ...first, index: "11", wait: "10000ms" },
      { ...first, index: "12", wait: "10000ms" },
    ]);
    assert.equal(consul.questions[0]?.token, TOKEN);
  });

  it("asks anew when the index goes backwards", async () => {
    consul.set("orders", [{ address: "10.0.0.1", port: 80 }]);
    start();
    await eventually(() => consul.waiting() === 1, "a blocking query");
    consul.restore();
    await eventually(() => consul.waiting() === 1 && consul.questions.length === 4, "the query after the reset");
    assert.deepEqual(
      consul.questions.map(({ parameters }) => parameters.get("index")),
      [null, "11", null, "1"],
    );
    consul.set("orders", [{ address: "10.0.0.2", port: 80 }]);
    await reached("10.0.0.2/0");
    assert.deepEqual(failures, []);
  });

  it("asks ever more slowly while each answer comes at once", async () => {
    for (const index of ["0", "7", "growing"]) {
      let count = 0;
      const eager = createServer((_, response) => {
        count++;
        response.writeHead(200, { "x-consul-index": index === "growing" ? String(count) : index }).end("[]");
      });
      await new Promise<void>((resolve) => eager.listen(0, "127.0.0.1", resolve));
      found.length = 0;
      start({ urls: [`http://127.0.0.1:${(eager.address() as AddressInfo).port}`] });
      await eventually(() => found.length === 4, "four answers");
      const elapsedMs = (found[3]?.at ?? 0) - (found[0]?.at ?? 0);
      sources.pop()?.stop();
      eager.close();
      eager.closeAllConnections();
      assert.ok(elapsedMs >= 695, `${index}: three more answers after ${elapsedMs} ms`);
    }
  });

  it("keeps up with a server that changes all the time, at its own pace", async () => {
    start();
    await eventually(() => consul.waiting() === 1, "a blocking query");
    const before = consul.questions.length;
    for (let i = 0; i < 200; i++) {
      consul.set("orders", [{ address: `10.0.1.${i}`, port: 80 }]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await reached("10.0.1.199/0");
    assert.ok(consul.questions.length - before <= 6, `${consul.questions.length - before} questions`);
  });

  it("makes datacentres priorities, and goes on with one while another fails", async () => {
    consul.set("orders", [{ address: "10.0.0.1", port: 80 }], "dc1");
    consul.set("orders", [{ address: "10.0.0.2", port: 80 }], "dc2");
    start({ datacenters: ["dc1", "dc2"] });
    await reached("10.0.0.1/0 10.0.0.2/1");
    consul.set("orders", [], "dc1");
    await reached("10.0.0.2/1");
    sources.pop()?.stop();
    start({ datacenters: ["dc1", "dc9"] });
    await failed(/^Consul cannot tell orders in dc9 \(http:\S+: cannot answer \(500\): it has no leader, or there is no way/);
    consul.set("orders", [{ address: "10.0.0.3", port: 80 }], "dc1");
    await reached("10.0.0.3/0");
    assert.match(found.at(-1)?.remarks?.failure ?? "", /in dc9/);
  });

  const answers: readonly (readonly [string, number, string, Record<string, string>, RegExp])[] = [
    ["a page", 200, "<html>", { "x-consul-index": "1" }, /not JSON/],
    ["half an answer", 200, '[{"Node":', { "x-consul-index": "1" }, /not JSON/],
    ["another shape", 200, '{"a":1}', { "x-consul-index": "1" }, /not a list of instances/],
    ["no index", 200, "[]", {}, /without X-Consul-Index/],
    ["no number for an index", 200, "[]", { "x-consul-index": "x" }, /without X-Consul-Index/],
    ["no leader", 200, "[]", { "x-consul-index": "1", "x-consul-knownleader": "false" }, /knows no leader/],
    [
      "nothing that the token may see",
      200,
      "[]",
      { "x-consul-index": "1", "x-consul-results-filtered-by-acls": "true" },
      /needs service:read/,
    ],
    ["a redirect", 301, "", { location: "http://169.254.169.254/" }, /answered 301/],
    ["429", 429, "slow down", {}, /asked too often \(429\)/],
    ["400", 400, "bad", {}, /does not understand the question \(400\)/],
    ["404", 404, "", {}, /does not know the health API \(404\)/],
  ];
  for (const [what, status, body, headers, reason] of answers) {
    it(`fails on ${what}, and finds nothing in it`, async () => {
      consul.mood({ status, body, headers });
      start();
      await failed(reason);
      assert.deepEqual(found, []);
      consul.mood("well");
      consul.set("orders", [{ address: "10.0.0.1", port: 80 }]);
      await reached("10.0.0.1/0");
    });
  }

  it("refuses an answer without an end", async () => {
    const endless = createServer((_, response) => {
      response.writeHead(200, { "x-consul-index": "1" });
      const chunk = Buffer.alloc(1024 * 1024, " ");
      const more = (): void => {
        if (!response.destroyed) response.write(chunk, () => setImmediate(more));
      };
      more();
      response.on("error", () => {});
    });
    await new Promise<void>((resolve) => endless.listen(0, "127.0.0.1", resolve));
    start({ urls: [`http://127.0.0.1:${(endless.address() as AddressInfo).port}`], timeoutMs: 30_000 });
    await failed(/answered with more than 33554432 bytes/);
    endless.close();
    endless.closeAllConnections();
  });

  it("says that a token is missing or wrong, and never which", async () => {
    start({ token: "wrong-0123456789-abcdef" });
    await failed(/refuses the token \(403\)/);
    assert.ok(!failures.join().includes("wrong-0123"));
  });

  it("gives up a server that holds back for too long, and asks the next", async () => {
    const other = await startConsul();
    other.set("orders", [{ address: "10.0.0.7", port: 80 }]);
    consul.set("orders", [{ address: "10.0.0.1", port: 80 }]);
    start({ urls: [consul.url, other.url], waitMs: 1_000, timeoutMs: 200, token: "" });
    await eventually(() => consul.waiting() === 1, "a blocking query");
    consul.mood("stuck");
    await reached("10.0.0.7/0");
    assert.match(found.at(-1)?.remarks?.note ?? "", /^http:\S+ answers, after http:\S+: no complete answer within 1263 ms$/);
    assert.deepEqual(failures, []);
    await other.close();
  });

  it("asks nothing any more when it has stopped", async () => {
    start();
    await eventually(() => consul.waiting() === 1, "a blocking query");
    for (const source of sources) source.stop();
    await eventually(() => consul.waiting() === 0, "the query to be given up");
    assert.deepEqual(failures, []);
  });
});
