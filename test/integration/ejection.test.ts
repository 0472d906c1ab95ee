import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { fetchOnce } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { type HttpUpstream, startHttpUpstream, startRawUpstream, type Upstream } from "../support/upstream.js";

/** A service that fails as long as it is told to. */
async function startFickle(): Promise<HttpUpstream & { isFailing: boolean }> {
  const state = { isFailing: false };
  const upstream = await startHttpUpstream((_request, response) => {
    response.writeHead(state.isFailing ? 500 : 200).end("ok");
  });
  return Object.assign(state, upstream);
}

function configuration(endpoints: readonly Upstream[], policies: string): string {
  return `
listeners: [{ name: public, direction: ingress, bind: 127.0.0.1:0, protocol: http }]
routes: [{ name: all, backends: [{ service: app }], timeouts: { request: 300ms } }]
services:
  - name: app
    endpoints: { static: [${endpoints.map(({ address }) => `{ address: "${address}" }`).join(", ")}] }
    ${policies}
workers: 1
admin: { bind: 127.0.0.1:0 }
telemetry: { accessLog: { path: "off" } }
`;
}

describe("endpoints that fail", () => {
  const running: { close(): unknown }[] = [];
  after(async () => {
    for (const each of running) await each.close();
  });

  async function start(endpoints: readonly Upstream[], policies: string): Promise<Gateway> {
    const gateway = await startGateway(configuration(endpoints, policies));
    running.push({ close: () => gateway.stop() }, ...endpoints);
    return gateway;
  }

  const get = async (gateway: Gateway): Promise<number> => (await fetchOnce(`http://127.0.0.1:${gateway.port("public")}/`)).status;

  it("one of three that answers 500 is ejected after exactly five errors, and comes back after its time", async () => {
    const services = await Promise.all([startFickle(), startFickle(), startFickle()]);
    const gateway = await start(services, "outlier: { baseEjectionTime: 1500ms }");
    const bad = services[1]!;
    bad.isFailing = true;
    const statuses: number[] = [];
    for (let i = 0; i < 90; i++) statuses.push(await get(gateway));
    const ejectedAt = performance.now();
    assert.equal(statuses.filter((status) => status === 500).length, 5);
    assert.ok(statuses.slice(15).every((status) => status === 200));
    bad.isFailing = false;
    const asked = bad.requests.length;
    assert.equal(asked, 5);
    await eventually(async () => (await get(gateway)) === 200 && bad.requests.length > asked, "it is asked again");
    assert.ok(performance.now() - ejectedAt < 3_000);
    assert.equal(await get(gateway), 200);
  });

  it("one that never answers is ejected though the time of the whole route passes", async () => {
    const silent = await startRawUpstream((socket) => void socket.resume());
    const [good, other] = await Promise.all([startFickle(), startFickle()]);
    const gateway = await start([silent, good, other], "outlier: { consecutive5xx: 2 }");
    const statuses = await Promise.all(Array.from({ length: 30 }, () => get(gateway)));
    assert.ok(statuses.filter((status) => status === 504).length >= 2);
    const later = await Promise.all(Array.from({ length: 30 }, () => get(gateway)));
    assert.deepEqual(new Set(later), new Set([200]));
  });

  it("clients that leave eject nobody", async () => {
    const silent = await startRawUpstream((socket) => void socket.resume());
    const gateway = await start([silent], "outlier: { consecutive5xx: 1 }");
    for (let i = 0; i < 5; i++) {
      const connections = silent.connections();
      const leaving = new AbortController();
      const call = fetchOnce(`http://127.0.0.1:${gateway.port("public")}/`, { signal: leaving.signal }).catch(() => "left");
      await eventually(() => silent.connections() > connections, "the service is asked");
      leaving.abort();
      assert.equal(await call, "left");
    }
    const { services } = JSON.parse((await fetchOnce(`${gateway.admin.url}/v1/services`)).text) as {
      services: { endpoints: { state: string; reasons: string[] }[] }[];
    };
    assert.deepEqual(services[0]?.endpoints[0]?.reasons, []);
    assert.equal(services[0]?.endpoints[0]?.state, "healthy");
  });

  it("a service whose circuit is open is not asked, gets one probe, and is open to all when that succeeds", async () => {
    const service = await startFickle();
    service.isFailing = true;
    const gateway = await start([service], "circuit: { breakers: { service: { minimumRequests: 4, openFor: 1s, halfOpenRequests: 1 } } }");
    const statuses: number[] = [];
    for (let i = 0; i < 20; i++) statuses.push(await get(gateway));
    assert.deepEqual(statuses, [500, 500, 500, 500, ...Array.from({ length: 16 }, () => 503)]);
    assert.equal(service.requests.length, 4);
    service.isFailing = false;
    await eventually(async () => (await get(gateway)) === 200, "the circuit closes");
    assert.equal(service.requests.length, 5);
    for (let i = 0; i < 10; i++) assert.equal(await get(gateway), 200);
  });

  it("no more than maxRequests are under way", async () => {
    const held: { end(): void }[] = [];
    const service = await startHttpUpstream((_request, response) => void held.push({ end: () => response.end("ok") }));
    const gateway = await start([service], "circuit: { maxRequests: 3 }");
    const first = Array.from({ length: 3 }, () => get(gateway));
    await eventually(() => held.length === 3, "three are under way");
    assert.equal(await get(gateway), 503);
    for (const answer of held) answer.end();
    assert.deepEqual(await Promise.all(first), [200, 200, 200]);
  });
});
