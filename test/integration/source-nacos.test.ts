/** Services whose endpoints come from Nacos: changes, logins, outages, several servers, versions of its API, many instances. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { fetchOnce } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { startLoad } from "../support/load.js";
import { type Nacos, type NacosInstance, startNacos } from "../support/nacos.js";
import { type AddressedUpstream, startUpstreamsAt } from "../support/upstreams-at.js";

const PASSWORD = "s3cr3t & +/=ü pass";
const WRONG_PASSWORD = "wr0ng-pass";
const USER = { name: "gateway", password: PASSWORD };
const HOSTS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
const REFRESH = "minRefresh: 100ms, maxRefresh: 200ms, timeout: 500ms";

interface SourceView {
  readonly service: string;
  readonly status: string;
  readonly endpoints: number;
  readonly failures: number;
  readonly lastError: string;
}

describe("endpoints from Nacos (a stand-in: Nacos itself cannot run here)", () => {
  let upstreams: readonly AddressedUpstream[] = [];
  let port = 0;
  let nacos: Nacos;
  let second: Nacos;
  let gateway: Gateway;

  before(async () => {
    upstreams = await startUpstreamsAt(HOSTS);
    port = (upstreams[0] as AddressedUpstream).port;
    nacos = await startNacos({ user: USER, tokenTtlSeconds: 5 });
    second = await startNacos({ user: USER, protectThreshold: 0.5, cacheMillis: 100 });
    for (const one of [nacos, second]) one.set("app", instances("127.0.0.1"));
    gateway = await startGateway(configuration(), { files: { password: `${PASSWORD}\n` } });
  });
  after(async () => {
    await gateway?.stop();
    await nacos?.close();
    await second?.close();
    for (const upstream of upstreams) await upstream.close();
  });
  beforeEach(async () => {
    nacos.mood("well");
    nacos.set("app", instances("127.0.0.1"));
    await eventually(async () => (await source("app")).status === "ready" && (await served("app")) === "127.0.0.1", "the first alone");
  });

  function instances(...addresses: readonly string[]): NacosInstance[] {
    return addresses.map((ip) => ({ ip, port }));
  }

  function configuration(): string {
    const route = (name: string): string =>
      `  - { name: ${name}, match: [{ path: { value: /${name} } }], backends: [{ service: ${name} }] }`;
    const service = (name: string, text: string): string =>
      `  - { name: ${name}, endpoints: { nacos: { ${REFRESH}, service: app, ${text} } } }`;
    const login = "username: gateway, password: { file: password }";
    return `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes:
${["app", "second", "third", "two", "denied", "nobody", "blue", "elsewhere"].map(route).join("\n")}
services:
${service("app", `urls: ["${nacos.url}"], ${login}`)}
${service("second", `urls: ["${second.url}/nacos"], api: v2, ${login}`)}
${service("third", `urls: ["${nacos.url}"], api: v3, ${login}`)}
${service("two", `urls: ["${second.url}", "${nacos.url}"], ${login}`)}
${service("denied", `urls: ["${nacos.url}"], username: gateway, password: ${WRONG_PASSWORD}`)}
${service("nobody", `urls: ["${nacos.url}"], ${login}, minimumEndpoints: 0`).replace("service: app", "service: nobody")}
${service("blue", `urls: ["${nacos.url}"], ${login}, clusters: [blue, green]`)}
${service("elsewhere", `urls: ["${nacos.url}/elsewhere"], accessToken: t0ken-of-some-length-0123456789`)}
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

  const refused = (service: string, reason: RegExp): Promise<SourceView> =>
    eventually(async () => {
      const now = await source(service);
      return reason.test(now.lastError) ? now : null;
    }, String(reason));

  it("are refused to a wrong password, and nothing secret is ever shown", async () => {
    await refused("denied", /^Nacos cannot tell app \(\S+: refuses username or password \(403\)\)$/);
    await refused("elsewhere", /does not know its API v1 \(404\): look at api and the URL/);
    assert.equal(await served("denied"), "503");
    const shown = [gateway.stdout(), gateway.stderr(), await admin("/metrics")];
    const [{ version = "" } = {}] = (JSON.parse(await admin("/v1/versions")) as { versions: { version: string }[] }).versions;
    const views = ["config", "config/status", "sources", "services", "versions", `versions/${version}`, "audit", "info"];
    for (const view of views) shown.push(await admin(`/v1/${view}`));
    for (const text of shown) {
      for (const secret of [PASSWORD, WRONG_PASSWORD, encodeURIComponent(PASSWORD), "token-1", "t0ken-of-some"]) {
        assert.ok(!text.includes(secret), `${secret} in ${text.slice(0, 200)}`);
      }
    }
  });

  it("change with the next look, without a failed request", async () => {
    const load = startLoad({ kind: "keep-alive", port: gateway.port("plain"), path: "/app" });
    await load.more(20);
    nacos.set("app", instances("127.0.0.2", "127.0.0.3"));
    await eventually(async () => (await served("app")) === "127.0.0.2 127.0.0.3", "the new addresses", 3_000);
    await load.stop();
    assert.deepEqual(load.failures, []);
    const parameters = Object.fromEntries(nacos.questions[0] ?? []);
    assert.deepEqual(parameters, { serviceName: "app", groupName: "DEFAULT_GROUP", healthyOnly: "false" });
  });

  it("are found over every version of the API", async () => {
    second.set("app", instances("127.0.0.3"));
    await eventually(async () => (await served("second")) === "127.0.0.3", "v2");
    nacos.set("app", [...instances("127.0.0.2"), { ip: "127.0.0.1", port, enabled: false }, { ip: "127.0.0.3", port, healthy: false }]);
    await eventually(async () => (await served("third")) === "127.0.0.2", "v3");
    await eventually(async () => (await served("app")) === "127.0.0.2", "v1");
  });

  it("have the weights, zones and labels that Nacos tells, and are those of the clusters asked for", async () => {
    nacos.set("app", [
      { ip: "127.0.0.1", port, weight: 0.25, clusterName: "blue", metadata: { version: "2" } },
      { ip: "127.0.0.2", port, clusterName: "red" },
    ]);
    await eventually(async () => (await source("blue")).endpoints === 1, "one cluster");
    const { services } = JSON.parse(await admin("/v1/services")) as { services: { name: string; endpoints: Record<string, unknown>[] }[] };
    const [endpoint] = services.find(({ name }) => name === "blue")?.endpoints ?? [];
    assert.deepEqual([endpoint?.["address"], endpoint?.["weight"], endpoint?.["zone"]], [`127.0.0.1:${port}`, 25, "blue"]);
  });

  it("log in again when a token is about to end, or is not known any more", async () => {
    const before = nacos.logins();
    nacos.forgetTokens();
    await eventually(() => nacos.logins() > before, "another login", 2_000);
    assert.equal((await source("app")).status, "ready");
    const lasting = nacos.logins();
    // Those of these tokens last 5 s, of which nine tenths are used.
    await eventually(() => nacos.logins() > lasting + 2, "logins ahead of the end");
    assert.equal((await source("app")).lastError, "");
  });

  it("stay while Nacos is down or does not answer, and change again afterwards", async () => {
    await nacos.die();
    const down = await refused("app", /connect ECONNREFUSED/);
    assert.deepEqual([down.status, down.endpoints], ["stale", 1]);
    await nacos.listen();
    nacos.mood("stuck");
    await refused("app", /no complete answer within 500 ms/);
    assert.equal(await served("app"), "127.0.0.1");
    for (const body of ["<html>", '{"hosts":[null]}', '{"code":500}', "[]"]) {
      nacos.mood({ status: 200, body });
      await refused("app", /answered (with something that is not|the login without a token)/);
    }
    nacos.mood("well");
    nacos.set("app", instances("127.0.0.2"));
    await eventually(async () => (await served("app")) === "127.0.0.2", "the new address");
  });

  it("come from the next server when one dies", async () => {
    second.set("app", instances("127.0.0.3"));
    await eventually(async () => (await served("two")) === "127.0.0.3", "the first server");
    await second.die();
    await eventually(async () => (await served("two")) === "127.0.0.1", "the second server");
    assert.equal((await source("two")).lastError, "");
    const note = `${nacos.url} answers, after ${second.url}: `;
    await eventually(() => (gateway.stdout() + gateway.stderr()).includes(note), "the note");
    await second.listen();
  });

  it("are not lost to an empty answer, and when Nacos protects the service all of them are used", async () => {
    nacos.set("app", []);
    await refused("app", /names 0 endpoints/);
    assert.equal(await served("app"), "127.0.0.1");
    await eventually(async () => (await source("nobody")).status === "ready", "a service that may be empty");
    const [one, ...others] = instances(...HOSTS) as [NacosInstance, ...NacosInstance[]];
    second.set("app", [one, ...others.map((instance) => ({ ...instance, healthy: false }))]);
    await eventually(async () => (await served("second")) === HOSTS.join(" "), "all of them");
    await eventually(() => gateway.stderr().includes("protectThreshold") || gateway.stdout().includes("protectThreshold"), "the note");
  });

  it("may be 5,000", async () => {
    const many = Array.from({ length: 5_000 }, (_, i) => ({ ip: `10.1.${i >> 8}.${i & 255}`, port: 80, metadata: { version: "1" } }));
    nacos.set("nobody", many);
    await eventually(async () => (await source("nobody")).endpoints === 5_000, "all of them");
    await eventually(async () => (await served("app")) === "127.0.0.1", "other services to be served");
    nacos.set("nobody", []);
    await eventually(async () => (await source("nobody")).endpoints === 0, "none");
  });
});
