/** Balancing as users have it: a real gateway, endpoints that are slow, busy or new, and keys that keep their endpoint. */
import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fetchOnce } from "../support/client.js";
import { CONFIG_NAME, eventually, type Gateway, startGateway } from "../support/gateway.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";

const SLOW_MS = 60;
/** By endpoint: what it answers with instead of its name. */
const answers = new Map<string, (response: ServerResponse) => void>();

describe("balancing", () => {
  const upstreams: HttpUpstream[] = [];
  let gateway: Gateway;

  before(async () => {
    for (const name of ["a", "b", "c", "d"]) {
      upstreams.push(
        await startHttpUpstream((request, response) => {
          const answer = answers.get(name);
          if (answer !== undefined) answer(response);
          else if (name === "a" && request.target.startsWith("/ewma")) setTimeout(() => response.end(name), SLOW_MS);
          else response.end(name);
        }),
      );
    }
    gateway = await startGateway(document(3));
  });
  after(async () => {
    await gateway?.stop();
    await Promise.all(upstreams.map((upstream) => upstream.close()));
  });

  function document(endpoints: number): string {
    const list = (count: number) =>
      upstreams
        .slice(0, count)
        .map(({ address }, index) => `{ address: "${address}", labels: { version: v${index} }, zone: z${index % 2} }`)
        .join(", ");
    const service = (name: string, balance: string, count = 3) =>
      `  - { name: ${name}, balance: { ${balance} }, endpoints: { static: [${list(count)}] } }`;
    const route = (name: string, more = "") =>
      `  - { name: ${name}, match: [{ path: { value: /${name} } }], backends: [{ service: ${name}${more} }] }`;
    return `
listeners: [{ name: public, bind: "127.0.0.1:0", protocol: http }]
admin: { bind: "127.0.0.1:0" }
workers: 1
zone: z1
routes:
${["turns", "ewma", "ring", "table", "zones", "paused"].map((name) => route(name)).join("\n")}
${route("subset", ", subset: { version: v1 }")}
${route("empty", ", subset: { version: v9 }")}
services:
${service("turns", "preferLocalZone: false")}
${service("ewma", "algorithm: ewma, preferLocalZone: false")}
${service("ring", "algorithm: ringHash, hashOn: { cookie: sid }, preferLocalZone: false", endpoints)}
${service("table", "algorithm: maglev, hashOn: { header: x-user, fallback: path }, preferLocalZone: false", endpoints)}
${service("zones", "algorithm: roundRobin")}
${service("paused", "preferLocalZone: false")}
${service("subset", "preferLocalZone: false")}
${service("empty", "preferLocalZone: false")}
`;
  }

  async function ask(path: string, headers: Record<string, string> = {}): Promise<string> {
    return (await fetchOnce(`http://127.0.0.1:${gateway.port("public")}${path}`, { headers })).text;
  }

  async function count(requests: number, path: string, concurrency: number): Promise<Record<string, number>> {
    const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
    let left = requests;
    const worker = async () => {
      while (left-- > 0) {
        const name = await ask(path);
        counts[name] = (counts[name] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
    return counts;
  }

  it("sends a slow endpoint less with ewma, and its share in turns", async () => {
    const turns = await count(300, "/turns", 6);
    assert.deepEqual(turns, { a: 100, b: 100, c: 100 });
    const ewma = await count(300, "/ewma", 6);
    assert.ok((ewma["a"] as number) < 60 && (ewma["a"] as number) > 0, JSON.stringify(ewma));
    assert.ok((ewma["b"] as number) > 60 && (ewma["c"] as number) > 60, JSON.stringify(ewma));
  });

  it("asks only endpoints of the subset, or of its own zone", async () => {
    assert.deepEqual(await count(10, "/subset", 1), { a: 0, b: 10, c: 0 });
    assert.deepEqual(await count(10, "/zones", 1), { a: 0, b: 10, c: 0 });
    const { status } = await fetchOnce(`http://127.0.0.1:${gateway.port("public")}/empty`);
    assert.equal(status, 503);
  });

  it("leaves an endpoint alone that asks for it", async () => {
    answers.set("b", (response) => response.writeHead(503, { "retry-after": "30" }).end("busy"));
    const first = await count(3, "/paused", 1);
    assert.equal(first["busy"], 1);
    answers.delete("b");
    assert.deepEqual(await count(10, "/paused", 1), { a: 5, b: 0, c: 5 });
  });

  it("keeps keys at their endpoints, but for those that one takes that a reload adds", async () => {
    const keys = Array.from({ length: 150 }, (_, index) => `user-${index}`);
    const map = async () => {
      const ring: string[] = [];
      const table: string[] = [];
      for (const key of keys) {
        ring.push(await ask("/ring", { cookie: `other=1; sid=${key}` }));
        table.push(await ask("/table", { "x-user": key }));
      }
      return { ring, table };
    };
    const before = await map();
    assert.deepEqual(await map(), before);
    for (const owners of [before.ring, before.table]) assert.equal(new Set(owners).size, 3);
    const path = join(gateway.directory, CONFIG_NAME);
    writeFileSync(`${path}.new`, document(4));
    renameSync(`${path}.new`, path);
    await eventually(
      async () => (await Promise.all(keys.map((key) => ask("/ring", { cookie: `sid=${key}` })))).includes("d"),
      "the new endpoint",
    );
    const later = await map();
    for (const kind of ["ring", "table"] as const) {
      const moved = later[kind].filter((owner, index) => owner !== before[kind][index]);
      assert.ok(moved.length > 10 && moved.length < 80, `${kind}: ${moved.length} of ${keys.length} moved`);
      const elsewhere = moved.filter((owner) => owner !== "d").length;
      assert.ok(elsewhere <= (kind === "ring" ? 0 : 10), `${kind}: ${elsewhere} moved to others than the new one`);
    }
    assert.equal(new Set(await Promise.all(keys.slice(0, 20).map(() => ask("/table")))).size, 1, "without the header the path decides");
  });
});
