/** `warm` in a running gateway: when connections are opened, and that first requests find them. */
import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { fetchOnce } from "../support/client.js";
import { CONFIG_NAME, eventually, type Gateway, startGateway } from "../support/gateway.js";
import { findFreePort, type HttpUpstream, startHttpUpstream, startRawUpstream } from "../support/upstream.js";

const FILE = "endpoints.yaml";

describe("warm connections", () => {
  const running: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const each of running.splice(0)) await each.close();
  });

  async function startUpstream(answer?: Parameters<typeof startHttpUpstream>[0]): Promise<HttpUpstream> {
    const upstream = await startHttpUpstream(answer);
    running.push(upstream);
    return upstream;
  }

  function configuration(endpoints: string, policies: string): string {
    return `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, backends: [{ service: app }] }]
services:
  - name: app
    endpoints: ${endpoints}
    ${policies}
admin: { bind: "127.0.0.1:0" }
telemetry: { accessLog: { path: "off" } }
workers: 1
`;
  }

  async function start(endpoints: string, policies: string, files: Record<string, string> = {}): Promise<Gateway> {
    const gateway = await startGateway(configuration(endpoints, policies), { files });
    running.unshift({ close: () => gateway.stop() });
    return gateway;
  }

  const get = async (gateway: Gateway): Promise<number> => (await fetchOnce(`http://127.0.0.1:${gateway.port("plain")}/`)).status;
  const listOf = (...upstreams: readonly HttpUpstream[]): string =>
    upstreams.map(({ address }) => `- { address: "${address}" }\n`).join("");
  const staticOf = (...addresses: readonly string[]): string =>
    `{ static: [${addresses.map((address) => `{ address: "${address}" }`).join()}] }`;

  function replaceFile(gateway: Gateway, name: string, text: string): void {
    const path = join(gateway.directory, name);
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }

  async function warmed(gateway: Gateway): Promise<string[]> {
    const text = await (await fetch(`${gateway.admin.url}/metrics`)).text();
    return text.split("\n").filter((line) => line.startsWith("windrose_upstream_warmed_connections_total{"));
  }

  it("are there before the first request, which opens none", async () => {
    const upstream = await startUpstream();
    const gateway = await start(staticOf(upstream.address), "warm: { connections: 3 }");
    assert.equal(upstream.connections(), 3);
    assert.deepEqual(await Promise.all([get(gateway), get(gateway), get(gateway)]), [200, 200, 200]);
    assert.equal(upstream.connections(), 3);
    assert.deepEqual(await warmed(gateway), [
      'windrose_upstream_warmed_connections_total{windrose_service="app",windrose_result="opened"} 3',
      'windrose_upstream_warmed_connections_total{windrose_service="app",windrose_result="failed"} 0',
    ]);
  });

  it("are none unless asked for, come with a reload that asks, and not again with the next", async () => {
    const upstream = await startUpstream();
    const gateway = await start(staticOf(upstream.address), "");
    assert.equal(upstream.connections(), 0);
    assert.deepEqual(await warmed(gateway), []);
    replaceFile(gateway, CONFIG_NAME, configuration(staticOf(upstream.address), "warm: { connections: 2 }"));
    await eventually(() => upstream.connections() === 2, "two connections");
    replaceFile(gateway, CONFIG_NAME, configuration(staticOf(upstream.address), "warm: { connections: 2 }\n    timeouts: { connect: 4s }"));
    const version = async () =>
      ((await (await fetch(`${gateway.admin.url}/v1/versions`)).json()) as { versions: unknown[] }).versions.length;
    await eventually(async () => (await version()) === 3, "the second reload");
    assert.equal(upstream.connections(), 2);
  });

  it("come to an endpoint that is found at run time", async () => {
    const [one, two] = [await startUpstream(), await startUpstream()];
    const gateway = await start(`{ file: { path: ${FILE} } }`, "warm: { connections: 2 }", { [FILE]: listOf(one) });
    await eventually(() => one.connections() === 2, "the first endpoint is warm");
    replaceFile(gateway, FILE, listOf(one, two));
    await eventually(() => two.connections() === 2, "the second endpoint is warm");
    assert.equal(one.connections(), 2);
    for (let i = 0; i < 4; i++) assert.equal(await get(gateway), 200);
    assert.deepEqual([one.connections(), two.connections()], [2, 2]);
    assert.ok(two.requests.length > 0);
  });

  it("are opened before an ejection ends", async () => {
    let isFailing = false;
    const bad = await startUpstream((_request, response) => {
      // What fails closes its connections, as a process that starts anew does.
      if (isFailing) response.writeHead(500, { connection: "close" }).end();
      else response.end("ok");
    });
    const good = await startUpstream();
    const policies = "warm: { connections: 1 }\n    outlier: { consecutive5xx: 1, baseEjectionTime: 3s, maxEjectionPercent: 50 }";
    const gateway = await start(staticOf(bad.address, good.address), `${policies}\n    balance: { panicThreshold: 0% }`);
    assert.equal(bad.connections(), 1);
    isFailing = true;
    await eventually(async () => (await get(gateway)) === 500, "the failure");
    isFailing = false;
    const [asked, before] = [bad.requests.length, bad.connections()];
    await eventually(() => bad.connections() > before, "a new connection");
    assert.equal(bad.requests.length, asked, "nothing was asked yet");
    const warm = bad.connections();
    await eventually(async () => (await get(gateway)) === 200 && bad.requests.length > asked, "it is asked again");
    assert.equal(bad.connections(), warm);
  });

  it("that cannot be opened delay a start by a second at most, eject nobody, and are counted", async () => {
    const silent = await startRawUpstream((socket) => void socket.resume());
    running.push(silent);
    const endpoints = staticOf(silent.address, `127.0.0.1:${await findFreePort()}`);
    const policies = "protocol: h2c\n    warm: { connections: 2 }\n    outlier: { consecutive5xx: 1 }\n    timeouts: { connect: 1500ms }";
    const gateway = await start(endpoints, policies);
    await eventually(async () => (await warmed(gateway)).join().includes('windrose_result="failed"} 4'), "four failures");
    const { services } = (await (await fetch(`${gateway.admin.url}/v1/services`)).json()) as {
      services: { endpoints: { state: string }[] }[];
    };
    assert.deepEqual(
      services[0]?.endpoints.map(({ state }) => state),
      ["healthy", "healthy"],
    );
  });
});
