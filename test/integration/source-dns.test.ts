/** Services whose endpoints come from DNS, against a real dnsmasq: changes, outages, SRV, aliases, names that are not there. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { fetchOnce } from "../support/client.js";
import { type Dnsmasq, startDnsmasq } from "../support/dnsmasq.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { startLoad } from "../support/load.js";
import { missingProgram } from "../support/programs.js";
import { type AddressedUpstream, startUpstreamsAt } from "../support/upstreams-at.js";

const TTL_SECONDS = 1;

interface SourceView {
  readonly service: string;
  readonly status: string;
  readonly endpoints: number;
  readonly failures: number;
  readonly lastError: string;
  readonly ageSeconds: number | null;
}

describe("endpoints from DNS", { skip: missingProgram("dnsmasq") }, () => {
  let upstreams: readonly AddressedUpstream[] = [];
  let dns: Dnsmasq;
  let gateway: Gateway;

  before(async () => {
    upstreams = await startUpstreamsAt(["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    const port = (upstreams[0] as AddressedUpstream).port;
    dns = await startDnsmasq({
      hosts: [],
      ttlSeconds: TTL_SECONDS,
      lines: [
        `srv-host=_web._tcp.test,two.test,${port},10,5`,
        `srv-host=_web._tcp.test,three.test,${port},20`,
        "cname=alias.test,app.test",
      ],
    });
    dns.setHosts(HOSTS);
    gateway = await startGateway(configuration(port));
  });
  after(async () => {
    await gateway?.stop();
    await dns?.stop();
    for (const upstream of upstreams) await upstream.close();
  });
  beforeEach(async () => {
    dns.resume();
    dns.setHosts(HOSTS);
    await eventually(
      async () => (await source("app")).status === "ready" && (await served("app")) === "127.0.0.1",
      "the first address alone",
    );
  });

  const HOSTS = ["127.0.0.1 app.test", "127.0.0.2 two.test", "127.0.0.3 three.test"];

  function configuration(port: number): string {
    const service = (name: string, dnsText: string): string =>
      `  - { name: ${name}, endpoints: { dns: { servers: ["${dns.address}"], timeout: 300ms, ${dnsText} } } }`;
    return `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes:
${["app", "alias", "srv", "missing", "absent"].map((name) => `  - { name: ${name}, match: [{ path: { value: /${name} } }], backends: [{ service: ${name} }] }`).join("\n")}
services:
${service("app", `name: app.test, port: ${port}`)}
${service("alias", `name: ALIAS.test., port: ${port}, type: addresses`)}
${service("srv", "name: _web._tcp.test, type: SRV")}
${service("missing", `name: missing.test, port: ${port}`)}
${service("absent", `name: absent.test, port: ${port}, minimumEndpoints: 0`)}
admin: { bind: "127.0.0.1:0" }
telemetry: { accessLog: { path: "off" } }
workers: 1
`;
  }

  async function source(service: string): Promise<SourceView> {
    const { sources } = (await (await fetch(`${gateway.admin.url}/v1/sources`)).json()) as { sources: SourceView[] };
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

  it("are taken over when the TTL is over, without a failed request", async () => {
    const load = startLoad({ kind: "keep-alive", port: gateway.port("plain"), path: "/app" });
    await load.more(20);
    const startedAt = performance.now();
    dns.setHosts(["127.0.0.2 app.test", "127.0.0.3 app.test"]);
    await eventually(async () => (await served("app")) === "127.0.0.2 127.0.0.3", "the new addresses");
    const elapsedMs = performance.now() - startedAt;
    await load.stop();
    assert.deepEqual(load.failures, []);
    assert.ok(elapsedMs < TTL_SECONDS * 1_000 * 1.05 + 2_000, `${elapsedMs} ms`);
  });

  it("stay while the name is gone and while the server is silent, and change again afterwards", async () => {
    dns.setHosts(["127.0.0.2 two.test"]);
    await eventually(async () => /names 0 endpoints/.test((await source("app")).lastError), "the name to be gone");
    assert.equal(await served("app"), "127.0.0.1");
    dns.pause();
    const view = await eventually(async () => {
      const now = await source("app");
      return /no answer within 300 ms/.test(now.lastError) ? now : null;
    }, "the silence");
    assert.deepEqual([view.status, view.endpoints], ["stale", 1]);
    assert.match(view.lastError, new RegExp(`DNS cannot tell A of app\\.test \\(${dns.address}: no answer`));
    assert.equal(await served("app"), "127.0.0.1");
    dns.setHosts(["127.0.0.3 app.test"]);
    dns.resume();
    await eventually(async () => (await served("app")) === "127.0.0.3", "the new address");
    assert.equal((await source("app")).lastError, "");
  });

  it("are found through an alias", async () => {
    await eventually(async () => (await served("alias")) === "127.0.0.1", "the address behind the alias");
    dns.setHosts(["127.0.0.2 app.test", "::1 app.test"]);
    await eventually(async () => (await source("alias")).endpoints === 2, "both families");
  });

  it("come from SRV records with their ports and priorities", async () => {
    const view = await eventually(async () => {
      const now = await source("srv");
      return now.endpoints === 2 && now.status === "ready" ? now : null;
    }, "both targets");
    assert.equal(view.lastError, "");
    await eventually(async () => (await served("srv")) === "127.0.0.2", "the target of the first priority alone");
    dns.setHosts([...HOSTS.slice(0, 1), "127.0.0.1 two.test", "127.0.0.3 three.test"]);
    await eventually(async () => /127\.0\.0\.1/.test(await served("srv")), "the moved target");
  });

  it("may be none when that is allowed, and are waited for when they never were there", async () => {
    assert.equal(await served("missing"), "503");
    assert.equal(await served("absent"), "503");
    assert.equal((await source("absent")).status, "ready");
    dns.setHosts([...HOSTS, "127.0.0.3 missing.test", "127.0.0.2 absent.test"]);
    await eventually(async () => (await served("missing")) === "127.0.0.3", "the name that appears");
    await eventually(async () => (await served("absent")) === "127.0.0.2", "the other one");
    dns.setHosts(HOSTS);
    await eventually(async () => (await served("absent")) === "503", "the name that is gone");
    assert.equal(await served("missing"), "127.0.0.3");
  });
});
