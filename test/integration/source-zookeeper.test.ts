/** Services whose endpoints come from ZooKeeper, against a real server: ephemeral nodes, outages, users, many nodes. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { fetchOnce } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { startLoad } from "../support/load.js";
import { freePorts } from "../support/server-program.js";
import { type AddressedUpstream, startUpstreamsAt } from "../support/upstreams-at.js";
import { missingZooKeeper, openWriter, registerWithCli, startZooKeeper, type Writer, type ZooKeeper } from "../support/zookeeper.js";

const PASSWORD = "s3cret-Of-Windrose-9711";
const WRONG_PASSWORD = "wr0ng-Of-Windrose-9712";

interface SourceView {
  readonly service: string;
  readonly source: string;
  readonly status: string;
  readonly endpoints: number;
  readonly failures: number;
  readonly lastError: string;
  readonly note: string;
  readonly ageSeconds: number | null;
}

describe("endpoints from ZooKeeper", { skip: missingZooKeeper() }, () => {
  let upstreams: readonly AddressedUpstream[] = [];
  let port = 0;
  let nobodyPort = 0;
  let zookeeper: ZooKeeper;
  let gateway: Gateway;
  let writer: Writer;

  before(async () => {
    upstreams = await startUpstreamsAt(["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    port = (upstreams[0] as AddressedUpstream).port;
    [nobodyPort = 0] = await freePorts(1);
    zookeeper = await startZooKeeper();
    writer = await openWriter(zookeeper.address);
    for (const path of ["/prod", "/prod/app", "/many"]) await writer.create(path, "");
    gateway = await startGateway(configuration(), { files: { password: `${PASSWORD}\n` } });
  });
  after(async () => {
    writer?.close();
    await gateway?.stop();
    await zookeeper?.stop();
    for (const upstream of upstreams) await upstream.close();
  });
  beforeEach(async () => {
    for (const name of ["1", "2", "3", "bad", `127.0.0.3:${port}`]) await writer.remove(`/prod/app/${name}`);
    await writer.create("/prod/app/1", `127.0.0.1:${port}`, { isEphemeral: true });
    await eventually(async () => (await source("app")).status === "ready" && (await served("app")) === "127.0.0.1", "the first alone");
  });

  function configuration(): string {
    const route = (name: string): string =>
      `  - { name: ${name}, match: [{ path: { value: /${name} } }], backends: [{ service: ${name} }] }`;
    const service = (name: string, more: string): string =>
      `  - { name: ${name}, endpoints: { zookeeper: { servers: ["127.0.0.1:${nobodyPort}", "${zookeeper.address}"], sessionTimeout: 1s, ${more} } } }`;
    return `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes:
${["app", "late", "many", "user", "stranger"].map(route).join("\n")}
services:
${service("app", "path: /prod/app")}
${service("late", "path: /prod/late, minimumEndpoints: 0")}
${service("many", "path: /many")}
${service("user", "path: /private, username: reader, password: { file: password }")}
${service("stranger", `path: /private, username: reader, password: ${WRONG_PASSWORD}`)}
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

  it("are taken over within a second of being registered, changed and removed, in every form, without a failed request", async () => {
    const load = startLoad({ kind: "keep-alive", port: gateway.port("plain"), path: "/app" });
    await load.more(20);
    const startedAt = performance.now();
    const instance = { name: "app", id: "2", address: "127.0.0.2", port, sslPort: null, payload: null, serviceType: "DYNAMIC" };
    await writer.create("/prod/app/2", JSON.stringify(instance), { isEphemeral: true });
    await writer.create(`/prod/app/127.0.0.3:${port}`, "127.0.0.1", { isEphemeral: true });
    await eventually(async () => (await served("app")) === "127.0.0.1 127.0.0.2 127.0.0.3", "all three");
    const elapsedMs = performance.now() - startedAt;
    assert.ok(elapsedMs < 1_000, `${elapsedMs} ms`);
    await writer.set("/prod/app/2", JSON.stringify({ ...instance, enabled: false }));
    await writer.remove(`/prod/app/127.0.0.3:${port}`);
    await eventually(async () => (await served("app")) === "127.0.0.1", "the first alone");
    assert.equal((await source("app")).endpoints, 2);
    // Gone and back under the same name, as fast as it can be.
    await writer.remove("/prod/app/2");
    await writer.create("/prod/app/2", JSON.stringify({ address: `127.0.0.3:${port}`, zone: "b" }), { isEphemeral: true });
    await eventually(async () => (await served("app")) === "127.0.0.1 127.0.0.3", "the one that came back elsewhere");
    await load.stop();
    assert.deepEqual(load.failures, []);
  });

  it("go with the session of the service, whether it says so or not", async () => {
    const polite = await openWriter(zookeeper.address);
    await polite.create("/prod/app/2", `127.0.0.2:${port}`, { isEphemeral: true });
    const impolite = registerWithCli(zookeeper.address, "/prod/app/3", `127.0.0.3:${port}`);
    try {
      await eventually(async () => (await served("app")) === "127.0.0.1 127.0.0.2 127.0.0.3", "all three", 20_000);
      polite.close();
      await eventually(async () => (await served("app")) === "127.0.0.1 127.0.0.3", "one to have gone");
    } finally {
      impolite.kill();
    }
    await eventually(async () => (await served("app")) === "127.0.0.1", "the session to be over");
  });

  it("leave out what cannot be used or read, count it and say so", async () => {
    const owner = await openWriter(zookeeper.address, { username: "owner", password: "x" });
    await owner.create("/prod/app/bad", "secret", { isEphemeral: true, isPrivate: true });
    await writer.create("/prod/app/2", "{", { isEphemeral: true });
    await writer.create("/prod/app/3", `127.0.0.3:${port}`, { isEphemeral: true });
    await eventually(async () => (await served("app")) === "127.0.0.1 127.0.0.3", "the good ones");
    const view = await eventually(async () => (/left out/.test((await source("app")).note) ? await source("app") : null), "the note");
    assert.match(view.note, /^nodes in ZooKeeper are left out: (1 with \w[\w ]+(, )?){2} \(such as 2\)/);
    assert.deepEqual([view.status, view.endpoints, view.lastError], ["ready", 2, ""]);
    owner.close();
    await writer.remove("/prod/app/2");
    await eventually(async () => !/left out/.test((await source("app")).note), "no note");
  });

  it("stay when the node is emptied or gone, unless that is allowed, and are found when it appears", async () => {
    assert.equal(await served("late"), "503");
    assert.match((await source("late")).lastError, /^ZooKeeper has no node \/prod\/late$/);
    await writer.create("/prod/late", "");
    await writer.create("/prod/late/1", `127.0.0.2:${port}`);
    await eventually(
      async () => (await served("late")) === "127.0.0.2" && (await source("late")).lastError === "",
      "the node that appears",
    );
    await writer.remove("/prod/late/1");
    await writer.remove("/prod/late");
    await eventually(async () => (await served("late")) === "503", "none");
    await writer.remove("/prod/app/1");
    await eventually(async () => /names 0 endpoints/.test((await source("app")).lastError), "the objection");
    assert.equal(await served("app"), "127.0.0.1");
  });

  it("stay while the server hangs and while it is gone, and change again afterwards", async () => {
    zookeeper.pause();
    const view = await eventually(async () => {
      const now = await source("app");
      return /says nothing for/.test(now.lastError) ? now : null;
    }, "the silence to be noticed");
    assert.deepEqual([view.status, view.endpoints], ["stale", 1]);
    assert.match(view.lastError, new RegExp(`^ZooKeeper cannot tell /prod/app \\(.*${zookeeper.address}: says nothing for \\d+ ms`));
    assert.equal(await served("app"), "127.0.0.1");
    zookeeper.resume();
    await eventually(async () => (await source("app")).status === "ready", "the server to go on");
    await zookeeper.kill();
    await eventually(async () => (await source("app")).status === "stale", "the loss to be noticed");
    await zookeeper.start();
    writer = await openWriter(zookeeper.address);
    await writer.create("/prod/app/2", `127.0.0.2:${port}`, { isEphemeral: true });
    await writer.remove("/prod/app/1");
    await writer.create("/prod/app/1", `127.0.0.1:${port}`, { isEphemeral: true });
    await eventually(async () => (await served("app")) === "127.0.0.1 127.0.0.2", "the change after the restart", 20_000);
    await eventually(async () => (await source("app")).lastError === "", "it to be well");
  });

  it("may be two thousand", async () => {
    const startedAt = performance.now();
    const nodes = Array.from({ length: 2_000 }, (_, i) => `127.1.${i >> 8}.${i & 255}:${port}`);
    await Promise.all(nodes.map((address, i) => writer.create(`/many/${i}`, JSON.stringify({ address }), { isEphemeral: true })));
    await eventually(async () => (await source("many")).endpoints === 2_000, "all of them", 20_000);
    assert.ok(performance.now() - startedAt < 8_000, `${performance.now() - startedAt} ms`);
    await Promise.all(nodes.slice(0, 1_000).map((_, i) => writer.set(`/many/${i}`, `127.0.0.1:${i + 1}`)));
    await Promise.all(nodes.slice(1_500).map((_, i) => writer.remove(`/many/${i + 1_500}`)));
    await eventually(async () => (await source("many")).endpoints === 1_500, "those that are left");
  });

  it("are told to whom the node allows it, and passwords to nobody", async () => {
    const owner = await openWriter(zookeeper.address, { username: "reader", password: PASSWORD });
    await owner.create("/private", "", { isPrivate: true });
    await owner.create("/private/1", `127.0.0.2:${port}`, { isEphemeral: true, isPrivate: true });
    await eventually(async () => (await served("user")) === "127.0.0.2", "the user");
    await eventually(async () => /does not let this user read it/.test((await source("stranger")).lastError), "the stranger");
    assert.equal(await served("stranger"), "503");
    owner.close();
    const { versions } = JSON.parse(await admin("/v1/versions")) as { versions: { id: string }[] };
    const paths = ["/v1/sources", "/v1/services", "/v1/config", "/v1/versions", `/v1/versions/${versions[0]?.id}`, "/metrics"];
    const texts = [gateway.stderr(), gateway.stdout(), ...(await Promise.all(paths.map(admin)))];
    for (const text of texts) assert.ok(!text.includes(PASSWORD) && !text.includes(WRONG_PASSWORD), text.slice(0, 2_000));
  });
});
