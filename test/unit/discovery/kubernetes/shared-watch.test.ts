/** Conversations with an API server (a stand-in: Kubernetes itself cannot run here): what is asked when, and what is never asked too often. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { createKubernetesWatches, type KubernetesWatches } from "../../../../src/discovery/kubernetes/kubernetes-watches.js";
import type { Rhythm } from "../../../../src/discovery/kubernetes/shared-watch.js";
import type { Source } from "../../../../src/discovery/source.js";
import type { KubernetesSourceSpec } from "../../../../src/engine/model/endpoint-source.js";
import { eventually } from "../../../support/gateway.js";
import { type KubernetesApi, startKubernetesApi } from "../../../support/kubernetes-api.js";
import { podEndpoint, slice } from "../../../support/kubernetes-store.js";
import { temporaryDirectory } from "../../config/fixtures.js";

const TOKEN = "a-token-of-the-gateway";
const RHYTHM: Rhythm = { watchSeconds: 60, moreWatchSeconds: 0, graceMs: 10_000 };

interface Heard {
  readonly sets: string[];
  readonly failures: string[];
  /** What was told with the latest set; "": all is well. */
  trouble: string;
  plannedAtMs: number;
  latest(): string;
}

type Follow = (
  service: string,
  settings?: Partial<KubernetesSourceSpec>,
  watches?: KubernetesWatches,
) => Heard & { readonly source: Source };

interface Bench {
  readonly api: KubernetesApi;
  readonly follow: Follow;
  verbs(): string;
  lists(): number;
}

function withRhythm(rhythm: Rhythm): KubernetesWatches {
  return createKubernetesWatches({ env: {}, serviceAccountDirectory: "/nowhere" }, rhythm);
}

function followAt(
  api: KubernetesApi,
  watches: KubernetesWatches,
  service: string,
  settings: Partial<KubernetesSourceSpec>,
): ReturnType<Follow> {
  const heard: Heard = { sets: [], failures: [], trouble: "", plannedAtMs: 0, latest: () => heard.sets.at(-1) ?? "" };
  const tls = { caPem: api.caPem, certPem: "", keyPem: "", serverName: "", isVerified: true };
  const spec: KubernetesSourceSpec = {
    ...{ type: "kubernetes", service, namespace: "shop", port: "", token: TOKEN, tokenFile: "", minimumEndpoints: 1 },
    servers: { urls: [api.url], tls },
    ...settings,
  };
  const source = watches.createSource(spec, {
    found(endpoints, _isPartial, remarks) {
      heard.sets.push(endpoints.map(({ host, weight }) => (weight === 1 ? host : `(${host})`)).join(" "));
      heard.trouble = remarks?.failure ?? "";
    },
    failed: (message) => heard.failures.push(message),
    planned: (atMs) => {
      heard.plannedAtMs = atMs;
    },
  });
  source.start();
  return Object.assign(heard, { source });
}

describe("a shared watch of EndpointSlices (a stand-in: Kubernetes itself cannot run here)", { concurrency: 8 }, () => {
  /** Each has a server of its own, for most of the time goes by in pauses. */
  async function start(context: TestContext): Promise<Bench> {
    const api = await startKubernetesApi();
    api.store.put(slice("orders-a", "orders", { endpoints: [podEndpoint("10.0.0.1")] }));
    api.store.put(slice("users-a", "users", { endpoints: [podEndpoint("10.0.1.1")] }));
    const sources: Source[] = [];
    context.after(async () => {
      for (const source of sources) source.stop();
      await api.stop();
    });
    const usual = withRhythm(RHYTHM);
    return {
      api,
      follow(service, settings = {}, watches = usual) {
        const heard = followAt(api, watches, service, settings);
        sources.push(heard.source);
        return heard;
      },
      verbs: () => api.requests.map(({ verb }) => verb).join(" "),
      lists: () => api.requests.filter(({ verb }) => verb === "list").length,
    };
  }

  it("is one for all services of a namespace that begin together, and tells each its own", async (t) => {
    const { api, follow, verbs } = await start(t);
    const [orders, users] = [follow("orders"), follow("users")];
    await eventually(() => api.watches() === 1, "the watch");
    assert.deepEqual([orders.sets, users.sets], [["10.0.0.1"], ["10.0.1.1"]]);
    assert.equal(verbs(), "list watch");
    const [list, watch] = api.requests;
    assert.equal(list?.parameters.get("labelSelector"), "kubernetes.io/service-name in (orders,users)");
    assert.equal(list?.parameters.get("resourceVersion"), null);
    assert.deepEqual(
      ["labelSelector", "resourceVersion", "allowWatchBookmarks", "timeoutSeconds"].map((name) => watch?.parameters.get(name)),
      ["kubernetes.io/service-name in (orders,users)", String(api.store.version), "true", "60"],
    );
    api.store.put(slice("users-b", "users", { endpoints: [podEndpoint("10.0.1.2")] }));
    await eventually(() => users.latest() === "10.0.1.1 10.0.1.2", "the second slice");
    api.store.remove("shop", "users-a");
    await eventually(() => users.latest() === "10.0.1.2", "the first slice to be gone");
    assert.deepEqual(orders.sets, ["10.0.0.1"]);
    assert.equal(verbs(), "list watch");
  });

  it("takes in services that join, and lists for them alone what nobody knows", async (t) => {
    const { api, follow, verbs } = await start(t);
    const orders = follow("orders");
    await eventually(() => api.watches() === 1, "the watch");
    const again = follow("orders", { port: 8080 });
    assert.deepEqual(again.sets, ["10.0.0.1"]);
    assert.equal(verbs(), "list watch");
    const users = follow("users");
    await eventually(() => users.latest() === "10.0.1.1", "the service that joined");
    await eventually(() => api.watches() === 1 && api.requests.length === 4, "one watch again");
    users.source.stop();
    follow("users");
    assert.equal(api.requests.length, 4);
    api.endWatches();
    await eventually(() => api.requests.length === 6 || orders.failures.length > 0, "the watch to go on");
  });

  it("forgets services that left, and asks for them anew when they come back", async (t) => {
    const { api, follow } = await start(t);
    follow("orders");
    const users = follow("users");
    await eventually(() => api.watches() === 1, "the watch");
    users.source.stop();
    api.bookmark();
    api.endWatches();
    await eventually(
      () => api.requests.at(-1)?.parameters.get("labelSelector") === "kubernetes.io/service-name=orders",
      "a watch without it",
    );
    api.store.put(slice("users-a", "users", { endpoints: [podEndpoint("10.0.1.9")] }));
    const back = follow("users");
    await eventually(() => back.latest() === "10.0.1.9", "what it is now");
  });

  it("ends with the last service", async (t) => {
    const { api, follow } = await start(t);
    const orders = follow("orders");
    await eventually(() => api.watches() === 1, "the watch");
    orders.source.stop();
    await eventually(() => api.watches() === 0, "its end");
  });

  it("is several for more than a hundred services, and others for other namespaces and tokens", async (t) => {
    const { api, follow, lists } = await start(t);
    api.tokens.add("another-token");
    for (let i = 0; i < 150; i++) follow(`s${i}`, { minimumEndpoints: 0 });
    follow("orders", { namespace: "other", minimumEndpoints: 0 });
    follow("orders", { token: "another-token" });
    await eventually(() => api.watches() === 4, "four watches");
    assert.equal(lists(), 4);
  });

  it("reads lists page by page, all of one moment", async (t) => {
    const { api, follow, lists } = await start(t);
    for (let i = 0; i < 120; i++) api.store.put(slice(`many-${i}`, "many", { endpoints: [podEndpoint(`10.1.0.${i}`)] }));
    const many = follow("many");
    await eventually(() => many.sets.length > 0, "the list");
    assert.equal(many.latest().split(" ").length, 120);
    assert.deepEqual([lists(), api.requests[0]?.parameters.get("limit")], [3, "50"]);
  });

  it("begins a list anew when its next page is forgotten, and gives up when that is so again", async (t) => {
    const { api, follow, lists } = await start(t);
    for (let i = 0; i < 60; i++) api.store.put(slice(`many-${i}`, "many", { endpoints: [podEndpoint(`10.1.0.${i}`)] }));
    const list = api.store.list.bind(api.store);
    let forgotten = 0;
    api.store.list = (matches, limit, token) => {
      if (token !== "" && forgotten++ < 1) api.store.compact();
      return list(matches, limit, token);
    };
    const many = follow("many");
    await eventually(() => many.latest().split(" ").length === 60, "the second list");
    assert.deepEqual([lists(), many.failures], [4, []]);
    many.source.stop();
    forgotten = Number.NEGATIVE_INFINITY;
    const never = follow("many");
    await eventually(() => never.failures.length === 1, "a failure");
    assert.match(
      never.failures[0] as string,
      /^Kubernetes cannot tell many in shop \(https:\S+: has forgotten the state that the list began with \(410\)\)$/,
    );
  });

  it("goes on where it was after an end, a break and a break within a line, and lists nothing again", async (t) => {
    const { api, follow, lists } = await start(t);
    const orders = follow("orders");
    const put = (host: string): void => api.store.put(slice("orders-a", "orders", { endpoints: [podEndpoint(host)] }));
    await eventually(() => api.watches() === 1, "the watch");
    for (const [i, end] of [
      () => api.endWatches(),
      () => api.cutWatches(),
      () => api.cutWatches('{"type":"MODIFIED","object":{"met'),
    ].entries()) {
      put(`10.0.2.${i}`);
      await eventually(() => orders.latest() === `10.0.2.${i}`, "a change before the end");
      end();
      put(`10.0.3.${i}`);
      await eventually(() => orders.latest() === `10.0.3.${i}`, "a change from meanwhile");
    }
    assert.equal(lists(), 1);
  });

  it("goes on from bookmarks when it had no news for long", async (t) => {
    const { api, follow, lists } = await start(t);
    const orders = follow("orders");
    await eventually(() => api.watches() === 1, "the watch");
    api.store.age(500);
    api.bookmark();
    await eventually(() => orders.sets.length === 2, "the bookmark, which confirms the set");
    api.store.compact();
    api.endWatches();
    await eventually(() => api.watches() === 1, "another watch");
    assert.equal(api.requests.at(-1)?.parameters.get("resourceVersion"), String(api.store.version));
    assert.equal(lists(), 1);
  });

  for (const forgottenAs of ["event", "status", "empty"] as const) {
    it(`lists again when the server has forgotten the version (${forgottenAs}), and ever more rarely when that comes again`, async (t) => {
      const { api, follow, lists } = await start(t);
      api.forgottenAs = forgottenAs;
      const orders = follow("orders");
      await eventually(() => api.watches() === 1, "the watch");
      api.store.age(10);
      api.store.compact();
      api.store.put(slice("orders-a", "orders", { endpoints: [podEndpoint("10.0.0.2")] }));
      // It got that change; the version that it has is made one of before.
      await eventually(() => orders.latest() === "10.0.0.2", "the change");
      api.store.age(10);
      api.store.compact();
      api.endWatches();
      await eventually(() => lists() === 2 && api.watches() === 1, "another list and watch");
      // From now on every version is forgotten at once.
      api.store.since = () => null;
      const before = api.requests.length;
      const startedAt = performance.now();
      api.endWatches();
      await eventually(() => orders.failures.length >= 3, "three failures more");
      const elapsedMs = performance.now() - startedAt;
      assert.ok(elapsedMs > 1_000, `${elapsedMs} ms`);
      assert.ok(api.requests.length - before <= 8, `${api.requests.length - before} requests`);
      assert.equal(orders.latest(), "10.0.0.2");
    });
  }

  it("lists again after something that it does not understand", async (t) => {
    const { api, follow, lists } = await start(t);
    const orders = follow("orders");
    for (const line of ["garbage", '{"type":"NEWS"}', '{"type":"ERROR","object":{"kind":"Status","code":500}}']) {
      await eventually(() => api.watches() === 1, "the watch");
      const before = lists();
      api.say(line);
      await eventually(() => lists() === before + 1, `another list after ${line}`);
    }
    assert.match(orders.failures[0] as string, /answered with something that is not JSON\)$/);
    assert.match(orders.failures[2] as string, /answered the watch with 500\)$/);
    assert.ok(orders.failures.every((failure) => !failure.includes("garbage")));
  });

  it("says who may not do what, and asks on with pauses", async (t) => {
    const { api, follow, lists } = await start(t);
    api.rules = [{ apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list"] }];
    const orders = follow("orders");
    await eventually(() => orders.failures.length === 2, "two failures");
    assert.match(
      orders.failures[0] as string,
      /^Kubernetes cannot tell orders in shop \(https:\/\/127\.0\.0\.1:\d+: does not allow to watch endpointslices \(403\): a Role needs verbs list and watch for endpointslices of discovery\.k8s\.io\)$/,
    );
    assert.equal(lists(), 1);
    assert.ok(orders.plannedAtMs > Date.now());
    api.rules = [];
    const users = follow("users");
    await eventually(() => users.failures.length > 0, "a failure to list");
    assert.match(users.failures[0] as string, /does not allow to list endpointslices \(403\)/);
  });

  it("waits for as long as the server wants (429, Retry-After)", async (t) => {
    const { api, follow } = await start(t);
    api.mood = { status: 429, headers: { "retry-after": "40" } };
    const orders = follow("orders");
    await eventually(() => orders.failures.length === 1, "a failure");
    assert.match(orders.failures[0] as string, /is asked too often \(429\)\)$/);
    const pauseMs = orders.plannedAtMs - Date.now();
    assert.ok(pauseMs > 38_000 && pauseMs <= 44_000, `${pauseMs} ms`);
    assert.equal(api.requests.length, 1);
  });

  it("notices a server that says nothing any more", async (t) => {
    const { api, follow } = await start(t);
    const orders = follow("orders", {}, withRhythm({ watchSeconds: 1, moreWatchSeconds: 0, graceMs: 200 }));
    await eventually(() => api.watches() === 1, "the watch");
    api.mood = "silent";
    await eventually(() => orders.failures.length === 1, "the failure");
    assert.match(orders.failures[0] as string, /did not end the watch after 1 s: it may be gone\)$/);
    assert.equal(orders.latest(), "10.0.0.1");
    api.mood = "well";
    api.cutWatches();
  });

  it("from within the cluster goes by what the pod's files say now, roots included", async (context) => {
    const { api, follow } = await start(context);
    const other = await startKubernetesApi();
    context.after(() => other.stop());
    const files = { token: TOKEN, "ca.crt": other.caPem, namespace: "shop" };
    const serviceAccountDirectory = temporaryDirectory(context, files);
    const env = { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: new URL(api.url).port };
    const watches = createKubernetesWatches({ env, serviceAccountDirectory }, RHYTHM);
    const orders = follow("orders", { servers: null, namespace: "", token: "" }, watches);
    await eventually(() => orders.failures.length === 1, "a failure");
    assert.match(orders.failures[0] as string, /certificate/);
    assert.equal(api.requests.length, 0);
    writeFileSync(join(serviceAccountDirectory, "ca.crt"), api.caPem);
    await eventually(() => orders.latest() === "10.0.0.1", "the endpoints");
  });

  it("gives up a list without an end", async (t) => {
    const { api, follow, lists } = await start(t);
    const page = { kind: "EndpointSliceList", metadata: { resourceVersion: "1", continue: "x" }, items: [] };
    api.mood = { status: 200, body: JSON.stringify(page) };
    const orders = follow("orders");
    await eventually(() => orders.failures.length === 1, "a failure", 20_000);
    assert.match(orders.failures[0] as string, /lists more than 500 pages\)$/);
    assert.equal(lists(), 500);
  });

  it("asks the next server when one fails", async (t) => {
    const { api, follow } = await start(t);
    const other = await startKubernetesApi();
    await other.stop();
    const tls = { caPem: api.caPem, certPem: "", keyPem: "", serverName: "", isVerified: true };
    const orders = follow("orders", { servers: { urls: [other.url, api.url], tls } });
    await eventually(() => orders.latest() === "10.0.0.1", "the endpoints");
    assert.equal(orders.failures.length, 1);
  });

  it("tells of a Service that is not there, unless it may be empty", async (t) => {
    const { api, follow } = await start(t);
    const missing = follow("missing");
    const allowed = follow("missing", { minimumEndpoints: 0 });
    await eventually(() => missing.failures.length === 1 && allowed.sets.length === 1, "both answers");
    assert.match(
      missing.failures[0] as string,
      /^Kubernetes cannot tell missing in shop \(https:\S+: has no EndpointSlices of it: is there such a Service\?\)$/,
    );
    assert.deepEqual([missing.sets, allowed.sets], [[], [""]]);
    api.store.put(slice("missing-a", "missing"));
    await eventually(() => missing.latest() === "" && missing.sets.length === 1, "an empty set, which is for others to judge");
  });

  it("tells each service when what moves between slices has arrived, and not before", async (t) => {
    const { api, follow } = await start(t);
    const orders = follow("orders");
    await eventually(() => api.watches() === 1, "the watch");
    api.store.remove("shop", "orders-a");
    api.store.put(slice("orders-b", "orders", { endpoints: [podEndpoint("10.0.0.1"), podEndpoint("10.0.0.2")] }));
    await eventually(() => orders.latest() === "10.0.0.1 10.0.0.2", "the new slice");
    assert.deepEqual(orders.sets, ["10.0.0.1", "10.0.0.1 10.0.0.2"]);
  });

  it("does not count as well by what was said before it failed", async (t) => {
    const { api, follow } = await start(t);
    const orders = follow("orders");
    await eventually(() => api.watches() === 1, "the watch");
    api.store.put(slice("orders-a", "orders", { endpoints: [podEndpoint("10.0.0.2")] }));
    api.say("garbage");
    api.mood = { status: 429, headers: { "retry-after": "40" } };
    await eventually(() => orders.latest() === "10.0.0.2", "what was said before");
    await eventually(() => orders.failures.length > 0, "the failure");
    assert.equal(orders.sets.length, 2);
    if (orders.trouble !== "") assert.match(orders.trouble, /answered with something that is not JSON\)$/);
  });

  it("does not ask in a circle when watches speak and end at once", async (t) => {
    const { api, follow } = await start(t);
    const orders = follow("orders");
    await eventually(() => api.watches() === 1, "the watch");
    api.bookmark();
    api.endWatches();
    await eventually(() => orders.plannedAtMs > Date.now(), "a pause");
    assert.deepEqual(orders.failures, []);
    await eventually(() => api.watches() === 1, "the next watch");
  });

  it("survives endpoints that come and go at random beside breaks of all kinds, and knows the last state", async (t) => {
    const { api, follow } = await start(t);
    const orders = follow("orders");
    await eventually(() => api.watches() === 1, "the watch");
    let random = 12_345;
    const next = (below: number): number => {
      random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
      return (random >>> 8) % below;
    };
    const truth = new Map([["orders-a", ["10.0.0.1"]]]);
    for (let i = 0; i < 300; i++) {
      const name = `orders-${"abcd"[next(4)]}`;
      if (truth.has(name) && next(3) === 0) {
        truth.delete(name);
        api.store.remove("shop", name);
      } else {
        const hosts = Array.from({ length: next(4) }, () => `10.0.${name.charCodeAt(7)}.${1 + next(9)}`);
        truth.set(name, hosts);
        api.store.put(slice(name, "orders", { endpoints: hosts.map((host) => podEndpoint(host)) }));
      }
      if (i % 60 === 20) api.cutWatches();
      if (i % 60 === 40) api.endWatches();
      if (i % 60 === 50) api.bookmark();
      await new Promise((resolve) => setImmediate(resolve));
    }
    truth.set("orders-a", ["10.9.9.9"]);
    api.store.put(slice("orders-a", "orders", { endpoints: [podEndpoint("10.9.9.9")] }));
    const expected = [...new Set([...truth.values()].flat())].sort().join(" ");
    await eventually(() => orders.latest() === expected, expected);
  });
});
