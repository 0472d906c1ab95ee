import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fetchOnce } from "../support/client.js";
import { CONFIG_NAME, eventually, type Gateway, startGateway } from "../support/gateway.js";
import { startGrpcHealth } from "../support/grpc-health.js";

interface EndpointView {
  readonly address: string;
  readonly state: string;
  readonly reasons: readonly string[];
  readonly checks: readonly { readonly at: string; readonly isPassed: boolean; readonly text: string }[];
}

/** Answers with its name; can be killed with all its connections, and comes back at the same port. */
class Service {
  readonly name: string;
  healthStatus = 200;
  /** Checks get no answer. */
  isHanging = false;
  checks = 0;
  requests = 0;
  port = 0;
  #server: Server | null = null;

  constructor(name: string) {
    this.name = name;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      if (request.url === "/healthz") {
        this.checks++;
        if (this.isHanging) return;
        response.writeHead(this.healthStatus).end();
      } else {
        this.requests++;
        response.end(this.name);
      }
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    this.port = (server.address() as AddressInfo).port;
  }

  kill(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.#server = null;
  }
}

const INTERVAL_MS = 200;

function configuration(ports: readonly number[], health: string, more = ""): string {
  return `
listeners: [{ name: public, direction: ingress, bind: 127.0.0.1:0, protocol: http }]
routes: [{ name: all, backends: [{ service: app }], retry: { attempts: 0 } }]
services:
  - name: app
    endpoints: { static: [${ports.map((port) => `{ address: "127.0.0.1:${port}" }`).join(", ")}] }
    ${health}
    ${more}
workers: 2
admin: { bind: 127.0.0.1:0 }
telemetry: { accessLog: { path: "off" } }
`;
}

describe("active health checks", () => {
  const running: (() => unknown)[] = [];
  after(async () => {
    for (const end of running.reverse()) await end();
  });

  async function startServices(count: number): Promise<Service[]> {
    const services = Array.from({ length: count }, (_, index) => new Service(`s${index}`));
    for (const service of services) {
      await service.start();
      running.push(() => service.kill());
    }
    return services;
  }

  async function start(yaml: string): Promise<Gateway> {
    const gateway = await startGateway(yaml);
    running.push(() => gateway.stop());
    return gateway;
  }

  async function view(gateway: Gateway): Promise<readonly EndpointView[]> {
    const answer = JSON.parse((await fetchOnce(`${gateway.admin.url}/v1/services`)).text) as { services: { endpoints: EndpointView[] }[] };
    return answer.services[0]?.endpoints ?? [];
  }

  const version = async (gateway: Gateway): Promise<string> =>
    (JSON.parse((await fetchOnce(`${gateway.admin.url}/v1/info`)).text) as { snapshotVersion: string }).snapshotVersion;
  const stateOf = async (gateway: Gateway, index: number): Promise<string> => (await view(gateway))[index]?.state ?? "";
  const get = async (gateway: Gateway) => await fetchOnce(`http://127.0.0.1:${gateway.port("public")}/`);

  it("take out a killed service within interval × threshold, and bring it back when it is", async () => {
    const services = await startServices(3);
    const health = `health: { path: /healthz, interval: ${INTERVAL_MS}ms, timeout: 150ms, unhealthyAfter: 3 }`;
    const gateway = await start(
      configuration(
        services.map(({ port }) => port),
        health,
      ),
    );
    const dead = services[1]!;
    await eventually(() => dead.checks > 0, "it is checked");

    dead.kill();
    const killedAt = performance.now();
    let errors = 0;
    let lastErrorAt = killedAt;
    let isOver = false;
    const load = (async () => {
      while (!isOver) {
        const { status } = await get(gateway);
        if (status === 200) continue;
        errors++;
        lastErrorAt = performance.now();
      }
    })();
    await eventually(async () => (await stateOf(gateway, 1)) === "unhealthy", "it is unhealthy");
    const noticedMs = performance.now() - killedAt;
    for (let i = 0; i < 30; i++) assert.equal((await get(gateway)).status, 200);
    isOver = true;
    await load;
    // Its last check may have been just before, so three come within three intervals; half of one is for busy machines.
    assert.ok(noticedMs < INTERVAL_MS * 3.5, `noticed after ${noticedMs} ms`);
    assert.ok(lastErrorAt - killedAt <= noticedMs, "no error after it was taken out");
    assert.ok(errors > 0, "there was load while it was down");
    const [, shown] = await view(gateway);
    assert.match(shown?.reasons[0] as string, /^unhealthy since 20.*: connect /);
    assert.deepEqual(
      shown?.checks.slice(0, 3).map(({ isPassed }) => isPassed),
      [false, false, false],
    );
    assert.match(gateway.stderr(), /endpoint 127\.0\.0\.1:\d+ of service app is unhealthy: connect /);

    const requests = dead.requests;
    await dead.start();
    const backAt = performance.now();
    await eventually(async () => (await get(gateway)).status === 200 && dead.requests > requests, "it takes requests again");
    assert.ok(performance.now() - backAt < INTERVAL_MS * 2.5, "one check brings it back");
    assert.equal(await stateOf(gateway, 1), "healthy");
    process.stdout.write(
      `# killed: noticed after ${Math.round(noticedMs)} ms (interval ${INTERVAL_MS} ms × 3), ${errors} errors of one client\n`,
    );
  });

  it("take out a service that hangs within interval × threshold and a timeout", async () => {
    const services = await startServices(2);
    const health = `health: { path: /healthz, interval: ${INTERVAL_MS}ms, timeout: 150ms, unhealthyAfter: 3 }`;
    const gateway = await start(
      configuration(
        services.map(({ port }) => port),
        health,
      ),
    );
    const stuck = services[0]!;
    await eventually(() => stuck.checks > 1, "it is checked");
    stuck.isHanging = true;
    const since = performance.now();
    await eventually(async () => (await stateOf(gateway, 0)) === "unhealthy", "it is unhealthy");
    const noticedMs = performance.now() - since;
    assert.ok(noticedMs < INTERVAL_MS * 3.5 + 150, `noticed after ${noticedMs} ms`);
    assert.match((await view(gateway))[0]?.reasons[0] as string, /: no answer within 150 ms$/);
    process.stdout.write(`# hung: noticed after ${Math.round(noticedMs)} ms (interval ${INTERVAL_MS} ms × 3, timeout 150 ms)\n`);
  });

  it("see what a status says, survive reloads, and are gone when their block is", async () => {
    const services = await startServices(2);
    services[0]!.healthStatus = 503;
    const ports = services.map(({ port }) => port);
    const gateway = await start(configuration(ports, "health: { path: /healthz, interval: 100ms, timeout: 90ms }"));
    await eventually(async () => (await stateOf(gateway, 0)) === "unhealthy", "the first check is enough");
    const before = services[1]!.requests;
    for (let i = 0; i < 20; i++) assert.equal((await get(gateway)).text, "s1");
    assert.equal(services[1]!.requests, before + 20);

    const put = async (yaml: string): Promise<void> => {
      writeFileSync(join(gateway.directory, CONFIG_NAME), yaml);
      const before = await version(gateway);
      gateway.process.kill("SIGHUP");
      await eventually(async () => (await version(gateway)) !== before, "it is served");
    };
    await put(configuration(ports, "health: { path: /healthz, interval: 1h }"));
    assert.equal(await stateOf(gateway, 0), "unhealthy");
    for (let i = 0; i < 20; i++) assert.equal((await get(gateway)).text, "s1");
    await put(configuration(ports, ""));
    await eventually(async () => (await stateOf(gateway, 0)) === "healthy", "nothing says otherwise any more");
    await eventually(async () => (await get(gateway)).text === "s0", "it takes requests");
  });

  it("tell new workers what is known", async () => {
    const services = await startServices(2);
    services[0]!.healthStatus = 500;
    const gateway = await start(
      configuration(
        services.map(({ port }) => port),
        "health: { path: /healthz, interval: 1h }",
      ),
    );
    await eventually(async () => (await stateOf(gateway, 0)) === "unhealthy", "the first check is enough");
    const info = async () =>
      JSON.parse((await fetchOnce(`${gateway.admin.url}/v1/info`)).text) as { workers: { pid: number; state: string }[] };
    const [victim] = (await info()).workers;
    process.kill(victim?.pid as number, "SIGKILL");
    await eventually(async () => {
      const { workers } = await info();
      return workers.length === 2 && workers.every(({ pid, state }) => pid !== victim?.pid && state === "ready");
    }, "another worker serves");
    for (let i = 0; i < 40; i++) assert.equal((await get(gateway)).text, "s1");
  });

  it("ask gRPC services", async () => {
    const services = await Promise.all([startGrpcHealth(), startGrpcHealth()]);
    for (const service of services) running.push(() => service.close());
    const [first, second] = services as [(typeof services)[number], (typeof services)[number]];
    first.set("shop.Orders", 1);
    second.set("shop.Orders", 2);
    const health = "health: { type: grpc, service: shop.Orders, interval: 100ms, timeout: 90ms }";
    const gateway = await start(configuration([first.port, second.port], health, "protocol: h2c"));
    await eventually(async () => (await stateOf(gateway, 1)) === "unhealthy", "it does not serve");
    assert.match((await view(gateway))[1]?.reasons[0] as string, /: answered NOT_SERVING$/);
    second.set("shop.Orders", 1);
    await eventually(async () => (await stateOf(gateway, 1)) === "healthy", "it serves");
    first.close();
    await eventually(async () => (await stateOf(gateway, 0)) === "unhealthy", "nobody is there");
  });
});
