/**
 * Services whose endpoints come from Kubernetes, against a stand-in for its API server: changes, outages, forgotten versions, rotated tokens,
 * missing rights, large and broken answers.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { fetchOnce } from "../support/client.js";
import { CONFIG_NAME, eventually, type Gateway, startGateway } from "../support/gateway.js";
import { type KubernetesApi, startKubernetesApi } from "../support/kubernetes-api.js";
import { type EndpointObject, podEndpoint, slice } from "../support/kubernetes-store.js";
import { startLoad } from "../support/load.js";
import { childrenOf } from "../support/processes.js";
import { type AddressedUpstream, startUpstreamsAt } from "../support/upstreams-at.js";

interface SourceView {
  readonly service: string;
  readonly source: string;
  readonly status: string;
  readonly endpoints: number;
  readonly failures: number;
  readonly lastError: string;
  readonly ageSeconds: number | null;
  readonly nextTryAt: string | null;
}

const TOKEN = "a-token-of-the-gateway";
/** Pauses after some failures are as long as this is not. */
const PATIENCE_MS = 40_000;

interface Served {
  readonly api: KubernetesApi;
  readonly configuration: string;
  put(name: string, service: string, endpoints: readonly (string | EndpointObject)[]): void;
}

interface Questions {
  source(service: string): Promise<SourceView>;
  /** Addresses that answer, or statuses. */
  served(service: string): Promise<string>;
  becomes(service: string, expected: string): Promise<unknown>;
  failsWith(service: string, expected: RegExp): Promise<SourceView>;
}

interface Bench extends Served, Questions {
  readonly gateway: Gateway;
}

/** @param port of the endpoints */
function benchOf(api: KubernetesApi, port: number): Served {
  return {
    api,
    configuration: configurationOf(api.url, port),
    put(name, service, endpoints) {
      const objects = endpoints.map((one) => (typeof one === "string" ? podEndpoint(one) : one));
      api.store.put(slice(name, service, { endpoints: objects, ports: [{ name: "http", port, protocol: "TCP" }] }));
    },
  };
}

function configurationOf(url: string, port: number): string {
  const service = (name: string, settings: string): string =>
    `  - { name: ${name}, endpoints: { kubernetes: { namespace: shop, urls: ["${url}"], tls: { ca: ca.pem }, tokenFile: token, ${settings} } } }`;
  return `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes:
${["app", "late", "optional"].map((name) => `  - { name: ${name}, match: [{ path: { value: /${name} } }], backends: [{ service: ${name} }] }`).join("\n")}
services:
${service("app", "service: app, port: http")}
${service("late", `service: late, port: ${port}`)}
${service("optional", "service: optional, minimumEndpoints: 0")}
admin: { bind: "127.0.0.1:0" }
telemetry: { accessLog: { path: "off" } }
workers: 1
`;
}

function questions(gateway: Gateway): Questions {
  const asked: Questions = {
    async source(service) {
      const { sources } = (await (await fetch(`${gateway.admin.url}/v1/sources`)).json()) as { sources: SourceView[] };
      return sources.find((view) => view.service === service) as SourceView;
    },
    async served(service) {
      const answers = Array.from({ length: 8 }, async () => {
        const { status, text } = await fetchOnce(`http://127.0.0.1:${gateway.port("plain")}/${service}`);
        return status === 200 ? text : String(status);
      });
      return [...new Set(await Promise.all(answers))].sort().join(" ");
    },
    becomes: (service, expected) =>
      eventually(async () => (await asked.served(service)) === expected, `${service} at ${expected}`, PATIENCE_MS),
    failsWith: (service, expected) =>
      eventually(
        async () => {
          const view = await asked.source(service);
          return expected.test(view.lastError) ? view : null;
        },
        `${service} to fail with ${expected}`,
        PATIENCE_MS,
      ),
  };
  return asked;
}

describe("endpoints from Kubernetes (a stand-in: Kubernetes itself cannot run here)", () => {
  let upstreams: readonly AddressedUpstream[] = [];
  let port = 0;
  before(async () => {
    upstreams = await startUpstreamsAt(["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    port = (upstreams[0] as AddressedUpstream).port;
  });
  after(async () => {
    for (const upstream of upstreams) await upstream.close();
  });

  /** Each has a server and a gateway of its own, for most of the time goes by in pauses after failures. */
  async function start(context: TestContext): Promise<Bench> {
    const api = await startKubernetesApi();
    context.after(() => api.stop());
    const bench = benchOf(api, port);
    bench.put("app-a", "app", ["127.0.0.1"]);
    const gateway = await startGateway(bench.configuration, { files: { "ca.pem": api.caPem, token: `${TOKEN}\n` } });
    context.after(() => gateway.stop());
    return { ...bench, gateway, ...questions(gateway) };
  }

  it("are in use within a moment of their change, without a failed request", async (t) => {
    const { api, gateway, put, source, served, becomes } = await start(t);
    assert.equal(await served("app"), "127.0.0.1");
    const load = startLoad({ kind: "keep-alive", port: gateway.port("plain"), path: "/app" });
    await load.more(20);
    const startedAt = performance.now();
    put("app-b", "app", ["127.0.0.2", "127.0.0.3"]);
    api.store.remove("shop", "app-a");
    await becomes("app", "127.0.0.2 127.0.0.3");
    const elapsedMs = performance.now() - startedAt;
    await load.stop();
    assert.deepEqual(load.failures, []);
    assert.ok(elapsedMs < 2_000, `${elapsedMs} ms`);
    const view = await source("app");
    assert.deepEqual([view.status, view.endpoints, view.lastError, view.source], ["ready", 2, "", `kubernetes ${api.url} shop/app:http`]);
    assert.equal(api.watches(), 1);
  });

  describe("whatever becomes of services and servers", { concurrency: 4 }, () => {
    it("leave with grace: what terminates gets nothing new while others are ready, and all when none is", async (t) => {
      const { put, source, becomes } = await start(t);
      put("app-a", "app", [
        podEndpoint("127.0.0.1", { state: "terminating" }),
        podEndpoint("127.0.0.2"),
        podEndpoint("127.0.0.3", { state: "starting" }),
      ]);
      await becomes("app", "127.0.0.2");
      assert.equal((await source("app")).endpoints, 2);
      put("app-a", "app", [podEndpoint("127.0.0.1", { state: "terminating" }), podEndpoint("127.0.0.2", { state: "terminated" })]);
      await becomes("app", "127.0.0.1");
    });

    it("stay when the last one goes, unless the service may be empty", async (t) => {
      const { api, put, served, becomes, failsWith } = await start(t);
      put("optional-a", "optional", ["127.0.0.3"]);
      await becomes("optional", "127.0.0.3");
      put("app-a", "app", []);
      put("optional-a", "optional", []);
      await becomes("optional", "503");
      const view = await failsWith("app", /names 0 endpoints that take traffic, fewer than minimumEndpoints \(1\)/);
      assert.deepEqual([view.status, await served("app")], ["stale", "127.0.0.1"]);
      api.store.remove("shop", "app-a");
      await failsWith("app", /has no EndpointSlices of it: is there such a Service\?/);
      assert.equal(await served("app"), "127.0.0.1");
    });

    it("are found when their Service appears", async (t) => {
      const { put, source, served, becomes } = await start(t);
      assert.equal(await served("late"), "503");
      assert.match(
        (await source("late")).lastError,
        /^Kubernetes cannot tell late in shop \(https:\/\/127\.0\.0\.1:\d+: has no EndpointSlices of it/,
      );
      put("late-a", "late", ["127.0.0.2"]);
      await becomes("late", "127.0.0.2");
      assert.equal((await source("late")).lastError, "");
    });

    it("stay while the server is gone, with the error, their age and the next try, and change when it is back", async (t) => {
      const { api, put, source, served, becomes, failsWith } = await start(t);
      await api.stop();
      const view = await failsWith("app", /ECONNREFUSED/);
      assert.deepEqual([view.status, view.endpoints, await served("app")], ["stale", 1, "127.0.0.1"]);
      assert.ok(view.ageSeconds !== null && view.nextTryAt !== null);
      put("app-a", "app", ["127.0.0.3"]);
      await api.start();
      await becomes("app", "127.0.0.3");
      assert.deepEqual([(await source("app")).status, (await source("app")).lastError], ["ready", ""]);
    });

    it("outlive a primary that is killed while the server is gone, and no token is written to disk", async (t) => {
      const { api, gateway, put, source, served, becomes, failsWith } = await start(t);
      await api.stop();
      await failsWith("app", /ECONNREFUSED/);
      const names = (): string[] => readdirSync(gateway.directory, { recursive: true }) as string[];
      const memory = await eventually(() => names().find((name) => name.endsWith("endpoints.json")), "the memory on disk");
      assert.doesNotMatch(readFileSync(join(gateway.directory, memory), "utf8"), new RegExp(TOKEN));
      const [primary] = childrenOf(gateway.process.pid ?? 0);
      process.kill(primary as number, "SIGKILL");
      const next = await eventually(() => childrenOf(gateway.process.pid ?? 0).find((pid) => pid !== primary), "another primary");
      await eventually(() => childrenOf(next).length > 0, "its worker");
      const view = await eventually(async () => await source("app").catch(() => null), "its admin");
      assert.deepEqual([view.status, view.endpoints], ["stale", 1]);
      assert.equal(await served("app"), "127.0.0.1");
      await api.start();
      put("app-a", "app", ["127.0.0.2"]);
      await becomes("app", "127.0.0.2");
    });

    it("are listed anew when the server has forgotten what came after (410)", async (t) => {
      const { api, put, becomes, failsWith } = await start(t);
      await api.stop();
      await failsWith("app", /ECONNREFUSED/);
      put("app-a", "app", ["127.0.0.2"]);
      api.store.age(1_000);
      api.store.compact();
      const before = api.requests.length;
      await api.start();
      await becomes("app", "127.0.0.2");
      const asked = api.requests.slice(before).map(({ verb }) => verb);
      assert.ok(asked.filter((verb) => verb === "list").length <= 1 && asked[0] === "watch", asked.join(" "));
    });

    it("are asked for with the token as it is now, and without a reload when it changes", async (t) => {
      const { api, gateway, put, source, becomes } = await start(t);
      api.tokens.add("the-next-token-of-it");
      const next = join(gateway.directory, "token.next");
      writeFileSync(next, "the-next-token-of-it\n");
      renameSync(next, join(gateway.directory, "token"));
      api.tokens.delete(TOKEN);
      api.endWatches();
      put("app-a", "app", ["127.0.0.2"]);
      await becomes("app", "127.0.0.2");
      assert.equal((await source("app")).lastError, "");
    });

    it("stay when the token is refused or gone, until there is another", async (t) => {
      const { api, gateway, put, becomes, failsWith } = await start(t);
      const versionNow = async () => ((await (await fetch(`${gateway.admin.url}/v1/info`)).json()) as { version: string }).version;
      const version = await versionNow();
      api.tokens.clear();
      api.endWatches();
      await failsWith("app", /does not accept the token \(401\)\)$/);
      writeFileSync(join(gateway.directory, "token"), "");
      await failsWith("app", /token holds no token\)$/);
      api.tokens.add("a-third-token-of-it!");
      writeFileSync(join(gateway.directory, "token"), "a-third-token-of-it!");
      put("app-a", "app", ["127.0.0.3"]);
      await becomes("app", "127.0.0.3");
      assert.equal(await versionNow(), version);
      assert.doesNotMatch(gateway.stderr() + gateway.stdout(), /token-of/);
    });

    it("need rights, and who has none is told which", async (t) => {
      const { api, served, failsWith } = await start(t);
      api.rules = [{ apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list"] }];
      api.endWatches();
      const view = await failsWith("app", /\(403\)/);
      assert.match(
        view.lastError,
        /does not allow to watch endpointslices \(403\): a Role needs verbs list and watch for endpointslices of discovery\.k8s\.io\)$/,
      );
      assert.equal(await served("app"), "127.0.0.1");
    });

    const MOODS: readonly (readonly [string, KubernetesApi["mood"], RegExp])[] = [
      ["no JSON", { status: 200, body: "<html>" }, /answered with something that is not JSON/],
      [
        "something else",
        { status: 200, body: '{"kind":"PodList","items":[]}' },
        /answered with something that is not about EndpointSlices/,
      ],
      ["too large", { status: 200, body: `{"kind":"${"x".repeat(33 * 1024 * 1024)}"}` }, /answered with more than 33554432 bytes/],
      ["to be had elsewhere", { status: 302, headers: { location: "https://127.0.0.1:1/" } }, /answered the list with 302/],
      ["an error", { status: 503 }, /answered the list with 503/],
    ];
    for (const [what, mood, expected] of MOODS) {
      it(`stay when the answer is ${what}, and change afterwards`, async (t) => {
        const { api, put, served, becomes, failsWith } = await start(t);
        api.mood = mood;
        // It is not understood: then all is listed.
        api.say("garbage");
        await failsWith("app", expected);
        assert.equal(await served("app"), "127.0.0.1");
        api.mood = "well";
        put("app-a", "app", ["127.0.0.2"]);
        await becomes("app", "127.0.0.2");
      });
    }

    it("go on while a reload brings more services, and leaves some out", async (t) => {
      const { api, gateway, configuration, put, source, served, becomes } = await start(t);
      put("more-a", "more", ["127.0.0.3"]);
      const load = startLoad({ kind: "keep-alive", port: gateway.port("plain"), path: "/app" });
      await load.more(20);
      const path = join(gateway.directory, CONFIG_NAME);
      const grown = configuration.replaceAll("optional", "more");
      writeFileSync(path, grown);
      await becomes("more", "127.0.0.3");
      await eventually(() => api.watches() === 1, "one watch for all");
      put("app-a", "app", ["127.0.0.2"]);
      put("more-a", "more", ["127.0.0.1"]);
      await becomes("app", "127.0.0.2");
      await becomes("more", "127.0.0.1");
      // Another port is another place; what is asked is the same.
      const asked = api.requests.length;
      writeFileSync(path, grown.replace("service: app, port: http", `service: app, port: ${port}`));
      await eventually(async () => /app:\d+$/.test((await source("app")).source), "the other port");
      assert.equal(await served("app"), "127.0.0.2");
      await load.more(20);
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.equal(api.requests.length, asked);
    });

    it("may be very many", async (t) => {
      const { put, source, served, failsWith } = await start(t);
      for (let i = 0; i < 60; i++) {
        put(
          `late-${i}`,
          "late",
          Array.from({ length: 100 }, (_, k) => `10.1.${i}.${k + 1}`),
        );
      }
      await eventually(async () => (await source("late")).endpoints === 6_000, "6,000 endpoints");
      for (let i = 60; i < 110; i++) {
        put(
          `late-${i}`,
          "late",
          Array.from({ length: 100 }, (_, k) => `10.1.${i}.${k + 1}`),
        );
      }
      const view = await failsWith("late", /names \d+ endpoints, more than 10000/);
      assert.ok(view.endpoints >= 6_000 && view.endpoints <= 10_000);
      assert.equal(await served("app"), "127.0.0.1");
    });
  });
});

describe("a gateway that should be in Kubernetes and is not", () => {
  it("says so", async () => {
    const gateway = await startGateway(
      `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, backends: [{ service: app }] }]
services: [{ name: app, endpoints: { kubernetes: {} } }]
admin: { bind: "127.0.0.1:0" }
telemetry: { accessLog: { path: "off" } }
workers: 1
`,
      { env: { KUBERNETES_SERVICE_HOST: "" } },
    );
    try {
      const { sources } = (await (await fetch(`${gateway.admin.url}/v1/sources`)).json()) as { sources: SourceView[] };
      assert.deepEqual(
        sources.map(({ status, lastError }) => [status, lastError]),
        [
          [
            "waiting",
            "Kubernetes cannot tell app (the gateway does not run in a Kubernetes cluster (no KUBERNETES_SERVICE_HOST): write urls)",
          ],
        ],
      );
    } finally {
      await gateway.stop();
    }
  });
});
