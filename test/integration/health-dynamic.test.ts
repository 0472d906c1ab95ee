/** Active checks of endpoints that are found at run time: they appear, fail, go, and come back, from a file and from the registry. */
import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { fetchOnce } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";

const FILE = "endpoints.yaml";
const TOKEN = "token-of-orders-0123456789";
const HEALTH = "health: { path: /healthz, interval: 100ms, timeout: 100ms, unhealthyAfter: 2, healthyAfter: 1 }";

interface Service extends HttpUpstream {
  healthStatus: number;
  readonly checks: () => number;
}

async function startService(name: string): Promise<Service> {
  const state = { healthStatus: 200 };
  const upstream = await startHttpUpstream(({ target }, response) => {
    response.writeHead(target === "/healthz" ? state.healthStatus : 200).end(name);
  }, name);
  const checks = (): number => upstream.requests.filter(({ target }) => target === "/healthz").length;
  return Object.assign(state, upstream, { checks });
}

interface EndpointView {
  readonly address: string;
  readonly state: string;
  readonly weight: number;
  readonly reasons: readonly string[];
  readonly checks: readonly { readonly isPassed: boolean }[];
}

/** How a source is told who is there. */
interface Place {
  readonly endpoints: string;
  readonly more: string;
  /** What leaves is gone at once; else it stays without weight, and is checked on: the registry does so in its first half minute. */
  readonly forgets: boolean;
  tell(gateway: Gateway, present: readonly Service[], absent: readonly Service[]): Promise<void>;
}

const PLACES: Readonly<Record<string, Place>> = {
  "a file": {
    endpoints: `{ file: { path: ${FILE} } }`,
    more: "",
    forgets: true,
    async tell({ directory }, present) {
      const path = join(directory, FILE);
      writeFileSync(`${path}.new`, present.map(({ address }) => `- { address: "${address}" }\n`).join(""));
      renameSync(`${path}.new`, path);
    },
  },
  "the registry": {
    endpoints: "{ registry: {} }",
    more: `registry: { serve: true, bind: "127.0.0.1:0", drain: 100ms, tokens: [{ name: t, token: ${TOKEN}, services: [app] }] }`,
    forgets: false,
    async tell({ registryUrl }, present, absent) {
      const ask = async (method: string, { port, address }: Service): Promise<void> => {
        const { status } = await fetchOnce(`${registryUrl}/v1/services/app/instances/i${port}`, {
          method,
          headers: { authorization: `Bearer ${TOKEN}`, ...(method === "PUT" ? { "content-type": "application/json" } : {}) },
          ...(method === "PUT" ? { body: JSON.stringify({ address, lease: "1h" }) } : {}),
        });
        assert.ok(status < 300, `${method} ${status}`);
      };
      for (const service of present) await ask("PUT", service);
      for (const service of absent) await ask("DELETE", service);
      // A registration would find them draining, and change nothing of that.
      const headers = { authorization: `Bearer ${TOKEN}` };
      const list = async (): Promise<string> => (await fetchOnce(`${registryUrl}/v1/services/app/instances`, { headers })).text;
      await eventually(async () => !(await list()).includes('"draining"'), "the end of the drain");
    },
  },
};

describe("active checks of endpoints found at run time", () => {
  const running: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const each of running.splice(0)) await each.close();
  });

  for (const [name, { endpoints, more, forgets, tell }] of Object.entries(PLACES)) {
    it(`follow what ${name} says`, async () => {
      const [stays, moves] = [await startService("stays"), await startService("moves")];
      running.push(stays, moves);
      const gateway = await startGateway(
        `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, backends: [{ service: app }] }]
services: [{ name: app, endpoints: ${endpoints}, balance: { panicThreshold: 0% }, ${HEALTH} }]
${more}
admin: { bind: "127.0.0.1:0" }
telemetry: { accessLog: { path: "off" } }
workers: 2
`,
        { files: { [FILE]: `- { address: "${stays.address}" }\n` } },
      );
      running.unshift({ close: () => gateway.stop() });

      const viewOf = async ({ address }: Service): Promise<EndpointView | undefined> => {
        const { services } = (await (await fetch(`${gateway.admin.url}/v1/services`)).json()) as {
          services: { endpoints: EndpointView[] }[];
        };
        return services[0]?.endpoints.find((endpoint) => endpoint.address === address);
      };
      const served = async (): Promise<string> => {
        const answers = await Promise.all(Array.from({ length: 24 }, () => fetchOnce(`http://127.0.0.1:${gateway.port("plain")}/`)));
        return [...new Set(answers.map(({ status, text }) => (status === 200 ? text : String(status))))].sort().join();
      };
      const untilServed = (names: string, when: string): Promise<unknown> =>
        eventually(async () => (await served()) === names, `${names} ${when}`);

      await tell(gateway, [stays], []);
      await untilServed("stays", "at first");
      await tell(gateway, [stays, moves], []);
      await eventually(async () => (await viewOf(moves))?.checks.some(({ isPassed }) => isPassed), "it is checked");
      await untilServed("moves,stays", "when it has appeared");

      moves.healthStatus = 503;
      await eventually(async () => (await viewOf(moves))?.state === "unhealthy", "it is found to fail");
      assert.match((await viewOf(moves))?.reasons[0] ?? "", /^unhealthy since \S+: answered with status 503$/);
      await untilServed("stays", "while it fails");

      await tell(gateway, [stays], [moves]);
      await eventually(async () => (forgets ? (await viewOf(moves)) === undefined : (await viewOf(moves))?.weight === 0), "it is gone");
      const [checks, others] = [moves.checks(), stays.checks()];
      await eventually(() => stays.checks() > others + 3, "checks of the other one");
      assert.equal(moves.checks() <= checks + 1, forgets, "checked no longer once it is forgotten");

      await tell(gateway, [stays, moves], []);
      await eventually(async () => (await viewOf(moves))?.state === "unhealthy", "it is back, still fails, and its first check says so");
      await untilServed("stays", "when it is back and fails");

      moves.healthStatus = 200;
      await untilServed("moves,stays", "when it is well again");
      const metrics = await (await fetch(`${gateway.admin.url}/metrics`)).text();
      const falls = /^windrose_health_transitions_total\{windrose_service="app",windrose_state="unhealthy"\} (\d)$/m.exec(metrics)?.[1];
      assert.equal(falls, forgets ? "2" : "1");
      assert.match(metrics, /^windrose_health_transitions_total\{windrose_service="app",windrose_state="healthy"\} 1$/m);
      assert.match(metrics, /^windrose_health_checks_total\{windrose_service="app",windrose_result="failed"\} [1-9]/m);
      assert.match(metrics, /^windrose_upstream_endpoints\{windrose_service="app",windrose_state="healthy"\} 2$/m);
    });
  }
});
