/**
 * An endpoint whose process is stopped (SIGSTOP): connections to it are still accepted, and nothing ever answers. Active checks and
 * outlier ejection each find it, within the times that README promises.
 */
import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { fetchOnce } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { type StoppableService, startStoppableService } from "../support/stoppable-service.js";
import { startHttpUpstream } from "../support/upstream.js";

/** For a machine that is busy with other tests. */
const SLACK_MS = 3_000;

describe("an endpoint whose process is stopped", () => {
  const running: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const each of running.splice(0)) await each.close();
  });

  async function start(policies: string): Promise<{ gateway: Gateway; service: StoppableService }> {
    const service = await startStoppableService();
    const good = await startHttpUpstream((_request, response) => response.end("good"));
    running.push(good, service);
    const gateway = await startGateway(`
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, backends: [{ service: app }], timeouts: { backendRequest: 400ms }, retry: { attempts: 0 } }]
services:
  - name: app
    endpoints: { static: [{ address: "${service.address}" }, { address: "${good.address}" }] }
    balance: { panicThreshold: 0% }
    ${policies}
admin: { bind: "127.0.0.1:0" }
telemetry: { accessLog: { path: "off" } }
workers: 1
`);
    running.unshift({ close: () => gateway.stop() });
    return { gateway, service };
  }

  async function stateOf(gateway: Gateway, { address }: StoppableService): Promise<{ state: string; reasons: string[] } | undefined> {
    const { services } = (await (await fetch(`${gateway.admin.url}/v1/services`)).json()) as {
      services: { endpoints: { address: string; state: string; reasons: string[] }[] }[];
    };
    return services[0]?.endpoints.find((endpoint) => endpoint.address === address);
  }

  const get = async (gateway: Gateway): Promise<string> => {
    const { status, text } = await fetchOnce(`http://127.0.0.1:${gateway.port("plain")}/`);
    return status === 200 ? text : String(status);
  };
  const many = async (gateway: Gateway): Promise<string> =>
    [...new Set(await Promise.all(Array.from({ length: 20 }, () => get(gateway))))].sort().join();

  it("is found by active checks in interval × unhealthyAfter and a timeout, and found again when it goes on", async () => {
    const [intervalMs, timeoutMs, unhealthyAfter] = [300, 300, 3];
    const { gateway, service } = await start(
      `health: { path: /, interval: ${intervalMs}ms, timeout: ${timeoutMs}ms, unhealthyAfter: ${unhealthyAfter}, healthyAfter: 1 }`,
    );
    await eventually(async () => (await many(gateway)) === "good,stoppable", "both endpoints");
    service.stop();
    const stoppedAt = performance.now();
    const found = await eventually(async () => {
      const view = await stateOf(gateway, service);
      return view?.state === "unhealthy" ? view : null;
    }, "it is found");
    const tookMs = performance.now() - stoppedAt;
    assert.ok(tookMs < intervalMs * unhealthyAfter + timeoutMs + SLACK_MS, `${tookMs} ms`);
    assert.ok(tookMs > intervalMs, `${tookMs} ms: one failed check must not be enough`);
    assert.match(found.reasons.join(), /no answer|timeout|time/);
    assert.equal(await many(gateway), "good");
    service.goOn();
    await eventually(async () => (await many(gateway)) === "good,stoppable", "it is asked again");
  });

  it("is found by outlier ejection after as many timeouts as configured, with no request to it until its time is over", async () => {
    const [failures, timeoutMs] = [3, 400];
    const { gateway, service } = await start(`outlier: { consecutive5xx: ${failures}, baseEjectionTime: 2s, maxEjectionPercent: 50 }`);
    await eventually(async () => (await many(gateway)) === "good,stoppable", "both endpoints");
    service.stop();
    const stoppedAt = performance.now();
    const answers: string[] = [];
    await eventually(async () => {
      answers.push(await get(gateway));
      return (await stateOf(gateway, service))?.state === "ejected";
    }, "it is ejected");
    const tookMs = performance.now() - stoppedAt;
    assert.equal(answers.filter((answer) => answer === "504").length, failures, answers.join());
    // Timers come in ticks of a tenth of a second.
    assert.ok(tookMs < failures * (timeoutMs + 100) + SLACK_MS, `${tookMs} ms`);
    assert.equal(await many(gateway), "good");
    assert.match((await stateOf(gateway, service))?.reasons.join() ?? "", /3 failures in a row/);
    service.goOn();
    await eventually(async () => (await many(gateway)) === "good,stoppable", "it is asked again");
    const metrics = await (await fetch(`${gateway.admin.url}/metrics`)).text();
    assert.match(metrics, /^windrose_upstream_ejections_total\{windrose_service="app",windrose_reason="consecutive_5xx"\} 1$/m);
  });
});
