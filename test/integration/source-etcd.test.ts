/** Services whose endpoints come from etcd, against a real cluster of three: changes, leases, members that hang or die, users. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { fetchOnce } from "../support/client.js";
import { type Etcd, startEtcd } from "../support/etcd.js";
import { CONFIG_NAME, eventually, type Gateway, startGateway } from "../support/gateway.js";
import { startLoad } from "../support/load.js";
import { missingProgram } from "../support/programs.js";
import { type AddressedUpstream, startUpstreamsAt } from "../support/upstreams-at.js";
import { issueCertificate } from "./client-certificates.js";

const PASSWORD = "s3cret-Of-Windrose-8711";
const WRONG_PASSWORD = "wr0ng-Of-Windrose-8712";

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

interface Bench {
  readonly etcd: Etcd;
  readonly gateway: Gateway;
  /** Of all endpoints. */
  readonly port: number;
  configuration(text?: string): string;
  admin(path: string): Promise<string>;
  source(service: string): Promise<SourceView>;
  /** Addresses that answer, or statuses. */
  served(service: string): Promise<string>;
  assertNoSecret(): Promise<void>;
}

/** A cluster and a gateway for the tests of one `describe`: others go on beside what becomes of this cluster. */
function useCluster(): Bench {
  let upstreams: readonly AddressedUpstream[] = [];
  const bench = {} as { -readonly [Name in keyof Bench]: Bench[Name] };
  before(async () => {
    upstreams = await startUpstreamsAt(["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    const { port } = upstreams[0] as AddressedUpstream;
    const etcd = await startEtcd({ members: 3 });
    Object.assign(bench, { port, etcd, configuration: (text = "") => configurationOf(etcd, text) });
    const gateway = await startGateway(configurationOf(etcd), { files: { password: `${PASSWORD}\n` } });
    Object.assign(bench, { gateway, ...questions(gateway) });
  });
  after(async () => {
    await bench.gateway?.stop();
    await bench.etcd?.stop();
    for (const upstream of upstreams) await upstream.close();
  });
  beforeEach(async () => {
    const { etcd, port, source, served } = bench;
    await etcd.clear("/app/");
    await etcd.put({ "/app/1": `127.0.0.1:${port}` });
    await eventually(
      async () => (await source("app")).status === "ready" && (await served("app")) === "127.0.0.1",
      "the first alone",
      15_000,
    );
  });
  return bench;
}

function questions(gateway: Gateway): Pick<Bench, "admin" | "source" | "served" | "assertNoSecret"> {
  const admin = async (path: string): Promise<string> => (await fetchOnce(`${gateway.admin.url}${path}`)).text;
  return {
    admin,
    async source(service) {
      const { sources } = JSON.parse(await admin("/v1/sources")) as { sources: SourceView[] };
      return sources.find((view) => view.service === service) as SourceView;
    },
    async served(service) {
      const asked = Array.from({ length: 8 }, async () => {
        const { status, text } = await fetchOnce(`http://127.0.0.1:${gateway.port("plain")}/${service}`);
        return status === 200 ? text : String(status);
      });
      return [...new Set(await Promise.all(asked))].sort().join(" ");
    },
    async assertNoSecret() {
      const { versions } = JSON.parse(await admin("/v1/versions")) as { versions: { version: string }[] };
      const [newest, oldest] = [versions[0]?.version, versions.at(-1)?.version];
      const paths = ["/v1/sources", "/v1/services", "/v1/config", "/v1/versions", `/v1/versions/${newest}/diff/${oldest}`, "/metrics"];
      const texts = [gateway.stderr(), gateway.stdout(), ...(await Promise.all(paths.map(admin)))];
      for (const text of texts) {
        assert.ok(!text.includes(PASSWORD) && !text.includes(WRONG_PASSWORD), text.slice(0, 2_000));
      }
    },
  };
}

function configurationOf(etcd: Etcd, text = ""): string {
  const route = (name: string): string => `  - { name: ${name}, match: [{ path: { value: /${name} } }], backends: [{ service: ${name} }] }`;
  const urls = `urls: [${etcd.urls.map((url) => `"${url}"`).join(", ")}]`;
  const service = (name: string, more: string): string => `  - { name: ${name}, endpoints: { etcd: { ${urls}, timeout: 1s, ${more} } } }`;
  return `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes:
${["app", "none", "many", "user", "stranger"].map(route).join("\n")}
services:
${service("app", "prefix: /app/")}
${service("none", "prefix: /none/, minimumEndpoints: 0")}
${service("many", "prefix: /many/")}
${service("user", "prefix: /app/, username: reader, password: { file: password }")}
${service("stranger", `prefix: /app/, username: reader, password: ${WRONG_PASSWORD}`)}
admin: { bind: "127.0.0.1:0" }
telemetry: { accessLog: { path: "off" } }
workers: 1
${text}`;
}

// Much of the time goes by in pauses after failures.
describe("endpoints from etcd", { skip: missingProgram("etcd"), concurrency: 2 }, () => {
  describe("without users", { concurrency: 1 }, () => {
    const bench = useCluster();

    it("are taken over within a second of being written, changed and removed, in every form, without a failed request", async () => {
      const { etcd, gateway, port, admin, served } = bench;
      const load = startLoad({ kind: "keep-alive", port: gateway.port("plain"), path: "/app" });
      await load.more(20);
      const startedAt = performance.now();
      await etcd.put({
        "/app/2": { address: `127.0.0.2:${port}`, weight: 2, zone: "b", labels: { version: "v2" } },
        "/app/3": { Op: 0, Addr: `127.0.0.3:${port}`, Metadata: { shard: "7" } },
      });
      await eventually(async () => (await served("app")) === "127.0.0.1 127.0.0.2 127.0.0.3", "all three");
      const elapsedMs = performance.now() - startedAt;
      assert.ok(elapsedMs < 1_000, `${elapsedMs} ms`);
      const { services } = JSON.parse(await admin("/v1/services")) as {
        services: { name: string; endpoints: { address: string; weight: number; zone: string }[] }[];
      };
      const endpoints = services.find(({ name }) => name === "app")?.endpoints ?? [];
      assert.deepEqual(
        endpoints.map(({ address, weight, zone }) => [address, weight, zone]),
        [
          [`127.0.0.1:${port}`, 1, ""],
          [`127.0.0.2:${port}`, 2, "b"],
          [`127.0.0.3:${port}`, 1, ""],
        ],
      );
      await etcd.put({ "/app/2": { address: `127.0.0.2:${port}`, weight: 0 } });
      await etcd.clear("/app/3");
      await eventually(async () => (await served("app")) === "127.0.0.1", "the first alone");
      await load.stop();
      assert.deepEqual(load.failures, []);
    });

    it("go when their lease is over, and are one when one service is listed twice", async () => {
      const { etcd, port, source, served } = bench;
      const old = await etcd.hold("/app/1-new", { address: `127.0.0.1:${port}`, weight: 3 });
      const held = await etcd.hold("/app/2", `127.0.0.2:${port}`);
      await eventually(async () => (await served("app")) === "127.0.0.1 127.0.0.2", "the one with a lease");
      assert.equal((await source("app")).endpoints, 2);
      await held.stop();
      await eventually(async () => (await served("app")) === "127.0.0.1", "the lease to be over");
      await old.stop();
      assert.equal((await source("app")).endpoints, 1);
    });

    it("leave out what cannot be used, count it and say so", async () => {
      const { etcd, gateway, port, source, served } = bench;
      await etcd.put({ "/app/2": `127.0.0.2:${port}`, "/app/bad\n1": "{", "/app/bad2": "127.0.0.1:0", "/app/bad3": "localhost:99999" });
      await eventually(async () => (await served("app")) === "127.0.0.1 127.0.0.2", "the good ones");
      const view = await eventually(async () => (/left out/.test((await source("app")).note) ? await source("app") : null), "the note");
      assert.equal(
        view.note,
        "keys in etcd are left out: 1 with a value that is not JSON, 2 with an unusable address (such as /app/bad?1)",
      );
      assert.deepEqual([view.status, view.endpoints, view.lastError], ["ready", 2, ""]);
      assert.match(gateway.stderr(), /service app: keys in etcd are left out: 1 with/);
      await etcd.clear("/app/bad");
      await eventually(async () => !/left out/.test((await source("app")).note), "no note");
    });

    it("stay when the prefix becomes empty or useless, unless that is allowed", async () => {
      const { etcd, port, source, served } = bench;
      await etcd.put({ "/none/1": `127.0.0.2:${port}` });
      await eventually(async () => (await served("none")) === "127.0.0.2", "the first");
      await etcd.clear("/app/");
      await etcd.clear("/none/");
      await eventually(async () => (await served("none")) === "503", "none");
      await eventually(async () => /names 0 endpoints/.test((await source("app")).lastError), "the objection");
      assert.equal(await served("app"), "127.0.0.1");
      await etcd.put({ "/none/1": `127.0.0.2:${port}` });
      await eventually(async () => (await served("none")) === "127.0.0.2", "one again");
      await etcd.put({ "/none/1": '{"another": "form"}' });
      const view = await eventually(async () => {
        const now = await source("none");
        return now.lastError === "" ? null : now;
      }, "the complaint");
      assert.match(view.lastError, /: none is usable: keys in etcd are left out: 1 with no address \(such as \/none\/1\)\)$/);
      assert.equal(await served("none"), "127.0.0.2");
    });

    it("may be two thousand, on several pages", async () => {
      const { etcd, gateway, port, configuration, source } = bench;
      const values = Object.fromEntries(
        Array.from({ length: 2_000 }, (_, i) => [
          `/many/${i}`,
          { address: `127.1.${i >> 8}.${i & 255}:${port}`, labels: { n: String(i) } },
        ]),
      );
      const startedAt = performance.now();
      await etcd.put(values);
      await eventually(async () => (await source("many")).endpoints === 2_000, "all of them");
      assert.ok(performance.now() - startedAt < 8_000, `${performance.now() - startedAt} ms`);
      // Now as pages: another gateway begins with all of them.
      writeFileSync(join(gateway.directory, CONFIG_NAME), configuration().replaceAll("/many/", "/many"));
      await eventually(async () => (await source("many")).source === "etcd /many", "the reload");
      await eventually(async () => (await source("many")).endpoints === 2_000, "all of them on pages");
      await etcd.clear("/many/1");
      await eventually(async () => (await source("many")).endpoints === 2_000 - 1_111, "those that are left");
    });

    it("come from the next member when one hangs, and stay when there is no majority", async () => {
      const { etcd, port, source, served } = bench;
      const [first, second, third] = etcd.members;
      first?.pause();
      await etcd.put({ "/app/2": `127.0.0.2:${port}` }).catch(() => {});
      await eventually(async () => (await served("app")) === "127.0.0.1 127.0.0.2", "the change by way of another member", 20_000);
      first?.resume();
      await second?.kill();
      await third?.kill();
      const view = await eventually(
        async () => {
          const now = await source("app");
          return /no leader|no complete answer/.test(now.lastError) && now.status === "stale" ? now : null;
        },
        "the loss to be seen",
        20_000,
      );
      assert.equal(view.endpoints, 2);
      assert.match(view.lastError, /^etcd cannot tell \/app\/ \(/);
      for (const url of etcd.urls) assert.ok(view.lastError.includes(url), view.lastError);
      assert.equal(await served("app"), "127.0.0.1 127.0.0.2");
      await Promise.all([second?.start(), third?.start()]);
      await etcd.clear("/app/2");
      await etcd.put({ "/app/3": `127.0.0.3:${port}` });
      await etcd.compact();
      await eventually(async () => (await served("app")) === "127.0.0.1 127.0.0.3", "what changed and was compacted meanwhile", 45_000);
      await eventually(async () => (await source("app")).lastError === "", "it to be well");
    });
  });

  describe("with users", { concurrency: 1 }, () => {
    const bench = useCluster();

    it("are told to users alone once there are some, and passwords to nobody", async () => {
      const { etcd, port, source, served, assertNoSecret } = bench;
      await eventually(async () => (await served("user")) === "127.0.0.1", "the user, while there are none");
      await etcd.ask("/v3/auth/user/add", { name: "root", password: "root-8713" });
      await etcd.ask("/v3/auth/user/grant", { user: "root", role: "root" });
      await etcd.ask("/v3/auth/role/add", { name: "app-reader" });
      const perm = { permType: "READ", key: base64("/app/"), range_end: base64("/app0") };
      await etcd.ask("/v3/auth/role/grant", { name: "app-reader", perm });
      await etcd.ask("/v3/auth/user/add", { name: "reader", password: PASSWORD });
      await etcd.ask("/v3/auth/user/grant", { user: "reader", role: "app-reader" });
      await etcd.ask("/v3/auth/enable", {});
      const login = async () => (await etcd.ask("/v3/auth/authenticate", { name: "root", password: "root-8713" }))["token"] as string;
      const put = async (key: string, host: string) =>
        etcd.ask("/v3/kv/put", { key: base64(key), value: base64(`${host}:${port}`) }, await login());
      try {
        await put("/app/2", "127.0.0.2");
        await eventually(async () => (await served("user")) === "127.0.0.1 127.0.0.2", "the change that a user may see", 15_000);
        await eventually(async () => /wants? a username/.test((await source("app")).lastError), "nobody to be refused", 15_000);
        await eventually(async () => /refuses username or password/.test((await source("stranger")).lastError), "the stranger", 15_000);
        await eventually(async () => (await source("user")).lastError === "", "the user");
        // They forget the tokens that they gave.
        for (const member of etcd.members) await member.kill();
        await Promise.all(etcd.members.map((member) => member.start()));
        await put("/app/3", "127.0.0.3");
        await eventually(async () => (await served("user")) === "127.0.0.1 127.0.0.2 127.0.0.3", "the user to log in again", 45_000);
        await assertNoSecret();
      } finally {
        await etcd.ask("/v3/auth/disable", {}, await login());
      }
    });
  });
});

describe("endpoints from etcd over TLS", { skip: missingProgram("etcd") || missingProgram("openssl") }, () => {
  it("come from members that are trusted, to clients that they trust", async (t) => {
    const authority = issueCertificate({ subject: "CN=authority", isAuthority: true });
    const server = issueCertificate({ subject: "CN=etcd", names: ["IP:127.0.0.1"], issuer: authority });
    const client = issueCertificate({ subject: "CN=windrose", issuer: authority });
    const etcd = await startEtcd({ members: 1, tls: { ...server, clientCa: authority.cert } });
    t.after(() => etcd.stop());
    await etcd.put({ "/app/1": "10.0.0.1:80" });
    const service = (name: string, tls: string): string =>
      `  - { name: ${name}, endpoints: { etcd: { urls: ["${etcd.secureUrl}"], prefix: /app/, tls: { ${tls} } } } }`;
    const certificate = "certificate: { cert: cert.pem, key: key.pem }";
    const yaml = `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, backends: [{ service: trusted }] }]
services:
${service("trusted", `ca: ca.pem, ${certificate}`)}
${service("nobody", "ca: ca.pem")}
${service("untrusting", certificate)}
admin: { bind: "127.0.0.1:0" }
workers: 1
`;
    const files = { "ca.pem": authority.cert, "cert.pem": client.cert, "key.pem": client.key };
    const gateway = await startGateway(yaml, { files });
    t.after(() => gateway.stop());
    const views = await eventually(async () => {
      const text = (await fetchOnce(`${gateway.admin.url}/v1/sources`)).text;
      const { sources } = JSON.parse(text) as { sources: SourceView[] };
      return sources.every(({ endpoints, failures }) => endpoints + failures > 0) ? sources : null;
    }, "all three");
    const about = Object.fromEntries(views.map(({ service: name, endpoints, lastError }) => [name, { endpoints, lastError }]));
    assert.deepEqual(about["trusted"], { endpoints: 1, lastError: "" });
    assert.equal(about["nobody"]?.endpoints, 0);
    assert.match(about["nobody"]?.lastError ?? "", /alert|handshake|hang up|ECONNRESET/);
    assert.match(about["untrusting"]?.lastError ?? "", /certificate/);
  });
});

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
