/** Services whose endpoints come from Consul: changes, outages, several servers, tokens, datacentres, many instances. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { selfSigned } from "../support/certificates.js";
import { fetchOnce } from "../support/client.js";
import { type Consul, type ConsulInstance, startConsul } from "../support/consul.js";
import { CONFIG_NAME, eventually, type Gateway, startGateway } from "../support/gateway.js";
import { startLoad } from "../support/load.js";
import { type AddressedUpstream, startUpstreamsAt } from "../support/upstreams-at.js";

const TOKEN = "b1gs33cr3t-0123456789-abcdefghij";
const WRONG_TOKEN = "wr0ngs33cr3t-0123456789-abcdefghij";
const HOSTS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];

interface SourceView {
  readonly service: string;
  readonly source: string;
  readonly status: string;
  readonly endpoints: number;
  readonly failures: number;
  readonly lastError: string;
  readonly ageSeconds: number | null;
}

describe("endpoints from Consul (a stand-in: Consul itself cannot run here)", () => {
  let upstreams: readonly AddressedUpstream[] = [];
  let port = 0;
  let consul: Consul;
  let second: Consul;
  let secure: Consul;
  let gateway: Gateway;

  before(async () => {
    upstreams = await startUpstreamsAt(HOSTS);
    port = (upstreams[0] as AddressedUpstream).port;
    consul = await startConsul({ tokens: [TOKEN], datacenters: ["dc1", "dc2"] });
    second = await startConsul();
    const [server, client] = [selfSigned("consul.test"), selfSigned("gateway.test")];
    secure = await startConsul({ tls: { ...server, ca: client.cert, requestCert: true, rejectUnauthorized: true } });
    for (const one of [consul, second, secure]) one.set("app", instances("127.0.0.1"));
    consul.set("far", instances("127.0.0.1"), "dc1");
    consul.set("far", instances("127.0.0.2"), "dc2");
    gateway = await startGateway(configuration(TOKEN), {
      files: { token: `${TOKEN}\n`, "ca.pem": server.cert, "cert.pem": client.cert, "key.pem": client.key },
    });
  });
  after(async () => {
    await gateway?.stop();
    await consul?.close();
    await second?.close();
    await secure?.close();
    for (const upstream of upstreams) await upstream.close();
  });
  beforeEach(async () => {
    consul.mood("well");
    consul.set("app", instances("127.0.0.1"));
    await eventually(async () => (await source("app")).status === "ready" && (await served("app")) === "127.0.0.1", "the first alone");
  });

  function instances(...addresses: readonly string[]): ConsulInstance[] {
    return addresses.map((address) => ({ address, port }));
  }

  function configuration(wrongOrRight: string): string {
    const route = (name: string): string =>
      `  - { name: ${name}, match: [{ path: { value: /${name} } }], backends: [{ service: ${name} }] }`;
    const service = (name: string, text: string): string =>
      `  - { name: ${name}, endpoints: { consul: { timeout: 500ms, wait: 2s, ${text} } } }`;
    return `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes:
${["app", "two", "far", "denied", "nobody", "secure", "strange"].map(route).join("\n")}
services:
${service("app", `urls: ["${consul.url}"], token: { file: token }`)}
${service("two", `urls: ["${second.url}", "${consul.url}"], service: app, token: ${TOKEN}`)}
${service("far", `urls: ["${consul.url}"], datacenters: [dc1, dc2], token: ${TOKEN}`)}
${service("denied", `urls: ["${consul.url}"], service: app, token: ${wrongOrRight === TOKEN ? WRONG_TOKEN : TOKEN}`)}
${service("secure", `urls: ["${secure.url}"], service: app, tls: { ca: ca.pem, serverName: consul.test, certificate: { cert: cert.pem, key: key.pem } }`)}
${service("strange", `urls: ["${secure.url}"], service: app`)}
${service("nobody", `urls: ["${consul.url}"], minimumEndpoints: 0, token: ${TOKEN}`)}
admin: { bind: "127.0.0.1:0" }
telemetry: { accessLog: { path: "off" } }
workers: 1
`;
  }

  async function admin(path: string): Promise<string> {
    return (await fetchOnce(`${gateway.admin.url}${path}`)).text;
  }

  async function source(service: string): Promise<SourceView> {
    const { sources } = JSON.parse(await admin("/v1/sources")) as { sources: SourceView[] };
    return sources.find((view) => view.service === service) as SourceView;
  }

  /** Addresses that answer, or statuses. */
  async function served(service: string): Promise<string> {
    const asked = Array.from({ length: 8 }, async () => {
      const { status, text } = await fetchOnce(`http://127.0.0.1:${gateway.port("plain")}/${service}`);
      return status === 200 ? text : String(status);
    });
    return [...new Set(await Promise.all(asked))].sort().join(" ");
  }

  it("are refused to a wrong token, which is never shown, and neither is the right one", async () => {
    await eventually(async () => /refuses the token \(403\)/.test((await source("denied")).lastError), "the refusal");
    assert.equal(await served("denied"), "503");
    writeFileSync(join(gateway.directory, CONFIG_NAME), configuration(WRONG_TOKEN));
    gateway.process.kill("SIGHUP");
    await eventually(async () => (await served("denied")) === "127.0.0.1", "the right token");
    const versions = JSON.parse(await admin("/v1/versions")) as { versions: { version: string }[] };
    const ids = versions.versions.map(({ version }) => version);
    assert.equal(ids.length, 2);
    const diff = await admin(`/v1/versions/${ids[0]}/diff/${ids[1]}`);
    assert.match(diff, /consul\.token/);
    const views = ["config", "config/status", "sources", "services", "versions", "audit", "info", ...ids.map((id) => `versions/${id}`)];
    const shown = [gateway.stdout(), gateway.stderr(), diff, await admin("/metrics")];
    for (const view of views) shown.push(await admin(`/v1/${view}`));
    for (const text of shown) {
      assert.ok(!text.includes(TOKEN), text.slice(0, 200));
      assert.ok(!text.includes(WRONG_TOKEN), text.slice(0, 200));
    }
  });

  it("come over TLS from servers whose certificate is trusted, and from no others", async () => {
    await eventually(async () => (await served("secure")) === "127.0.0.1", "an instance");
    await eventually(async () => /certificate/.test((await source("strange")).lastError), "the refusal");
    assert.equal(await served("strange"), "503");
  });

  it("change within a second, without a failed request", async () => {
    await eventually(() => consul.waiting() >= 1, "a blocking query");
    const load = startLoad({ kind: "keep-alive", port: gateway.port("plain"), path: "/app" });
    await load.more(20);
    const startedAt = performance.now();
    consul.set("app", instances("127.0.0.2", "127.0.0.3"));
    await eventually(async () => (await served("app")) === "127.0.0.2 127.0.0.3", "the new addresses");
    const elapsedMs = performance.now() - startedAt;
    await load.stop();
    assert.deepEqual(load.failures, []);
    assert.ok(elapsedMs < 2_000, `${elapsedMs} ms`);
  });

  it("stay while Consul is down, which is told with the age, and change again afterwards", async () => {
    await consul.die();
    const view = await eventually(async () => {
      const now = await source("app");
      return now.status === "stale" && now.failures >= 2 && (now.ageSeconds ?? 0) > 0 ? now : null;
    }, "the outage");
    assert.match(view.lastError, new RegExp(`^Consul cannot tell app \\(${consul.url}: connect ECONNREFUSED [0-9.:]+\\)$`));
    assert.equal(view.endpoints, 1);
    assert.equal(await served("app"), "127.0.0.1");
    await consul.listen();
    consul.set("app", instances("127.0.0.2"));
    await eventually(async () => (await served("app")) === "127.0.0.2", "the new address");
    const { status, lastError } = await source("app");
    assert.deepEqual([status, lastError], ["ready", ""]);
  });

  it("stay while Consul accepts and does not answer", async () => {
    consul.mood("stuck");
    const view = await eventually(async () => {
      const now = await source("app");
      return /no complete answer within \d+ ms/.test(now.lastError) ? now : null;
    }, "the silence");
    assert.deepEqual([view.status, view.endpoints], ["stale", 1]);
    assert.equal(await served("app"), "127.0.0.1");
    consul.mood("well");
    consul.set("app", instances("127.0.0.3"));
    await eventually(async () => (await served("app")) === "127.0.0.3", "the new address");
  });

  it("change after Consul was restored and its index went backwards", async () => {
    await eventually(() => consul.waiting() >= 1, "a blocking query");
    consul.restore();
    consul.set("app", instances("127.0.0.2"));
    await eventually(async () => (await served("app")) === "127.0.0.2", "the new address");
  });

  it("are not lost to an empty answer, unless that is allowed", async () => {
    consul.set("app", []);
    await eventually(async () => /names 0 endpoints/.test((await source("app")).lastError), "the refusal");
    assert.equal(await served("app"), "127.0.0.1");
    await eventually(async () => (await source("nobody")).status === "ready", "the other source");
    consul.set("nobody", instances("127.0.0.2"));
    await eventually(async () => (await served("nobody")) === "127.0.0.2", "the first instance");
    consul.set("nobody", []);
    await eventually(async () => (await served("nobody")) === "503", "none");
  });

  it("come from the next server when one dies", async () => {
    second.set("app", instances("127.0.0.2"));
    await eventually(async () => (await served("two")) === "127.0.0.2", "the first server");
    await second.die();
    await eventually(async () => (await served("two")) === "127.0.0.1", "the second server");
    assert.equal((await source("two")).status, "ready");
    assert.ok(gateway.stderr().includes(`${consul.url} answers, after ${second.url}: `), gateway.stderr());
    await second.listen();
  });

  it("of another datacentre stand in for those of the first", async () => {
    await eventually(async () => (await source("far")).endpoints === 2 && (await served("far")) === "127.0.0.1", "the first datacentre");
    consul.set("far", [], "dc1");
    await eventually(async () => (await served("far")) === "127.0.0.2", "the second datacentre");
    consul.set("far", instances("127.0.0.3"), "dc1");
    await eventually(async () => (await served("far")) === "127.0.0.3", "the first datacentre again");
  });

  it("may be 5,000", async () => {
    const many = Array.from({ length: 5_000 }, (_, i) => ({
      ...{ address: `10.1.${i >> 8}.${i & 255}`, port: 80, tags: ["v1", "team=red"], meta: { zone: `z${i % 3}`, version: "1.2.3" } },
    }));
    const startedAt = performance.now();
    consul.set("nobody", many);
    await eventually(async () => (await source("nobody")).endpoints === 5_000, "all of them");
    const elapsedMs = performance.now() - startedAt;
    consul.set("nobody", [...many.slice(1), ...instances("127.0.0.1")]);
    await eventually(async () => (await source("nobody")).endpoints === 5_000, "all of them");
    await eventually(async () => (await served("app")) === "127.0.0.1", "other services to be served");
    consul.set("nobody", instances("127.0.0.1"));
    await eventually(async () => (await served("nobody")) === "127.0.0.1", "one again");
    assert.ok(elapsedMs < 5_000, `${elapsedMs} ms`);
  });
});
