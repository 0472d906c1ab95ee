import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fetchOnce, logLines } from "../support/client.js";
import { eventually, type Gateway, MAIN, startGateway, watchProcess } from "../support/gateway.js";
import { childrenOf, descendantsOf, isRunning, workersOf } from "../support/processes.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";

const configuration = (upstream: string, workers: number): string => `
listeners: [{ name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http }]
routes:
  - name: limited
    match: [{ path: { type: PathPrefix, value: /limited } }]
    filters: [{ rateLimit: { limit: 50, per: 1h, key: header.x-user } }]
    backends: [{ service: app }]
  - { name: all, match: [{ path: { type: PathPrefix, value: / } }], backends: [{ service: app }] }
services: [{ name: app, endpoints: { static: [{ address: "${upstream}" }] } }]
admin: { bind: "127.0.0.1:0" }
drain: { timeout: 5s }
workers: ${workers}
`;

describe("primary and workers", { skip: process.platform === "linux" ? false : "reads /proc" }, () => {
  let upstream: HttpUpstream;
  let gateway: Gateway;
  const held: (() => void)[] = [];

  before(async () => {
    upstream = await startHttpUpstream((request, response) => {
      if (request.target === "/slow") held.push(() => response.end("at last"));
      else response.end("ok");
    });
    gateway = await startGateway(configuration(upstream.address, 2));
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  const url = (path: string): string => `http://127.0.0.1:${gateway.port("public")}${path}`;
  const workers = (): number[] => workersOf(gateway);
  const readiness = async (): Promise<number> => (await fetchOnce(`${gateway.admin.url}/readyz`)).status;

  it("never exceed a rate limit together, and spend nearly all of it", async () => {
    const statuses: number[] = [];
    for (let round = 0; round < 10; round++) {
      const answers = await Promise.all(Array.from({ length: 16 }, () => fetchOnce(url("/limited"), { headers: { "x-user": "alice" } })));
      for (const { status, headers } of answers) {
        statuses.push(status);
        assert.ok(headers.ratelimit !== undefined);
        if (status === 429) assert.ok(Number(headers["retry-after"]) > 0);
      }
    }
    const admitted = statuses.filter((status) => status === 200).length;
    assert.equal(statuses.length - admitted, statuses.filter((status) => status === 429).length);
    assert.ok(admitted <= 50, `${admitted} of 50 admitted`);
    assert.ok(admitted >= 40, `only ${admitted} of 50 admitted`);
    assert.equal((await fetchOnce(url("/limited"), { headers: { "x-user": "bob" } })).status, 200);
  });

  it("sum their metrics, and keep the sums when a worker dies", async () => {
    const count = async (): Promise<number> => {
      const { text } = await fetchOnce(`${gateway.admin.url}/metrics`);
      const lines = text.split("\n").filter((line) => line.startsWith("windrose_requests_total{") && line.includes('windrose_route="all"'));
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
    };
    const before = await count();
    for (let i = 0; i < 30; i++) await fetchOnce(url("/counted"));
    assert.equal((await count()) - before, 30);
    const [victim] = workers();
    process.kill(victim as number, "SIGKILL");
    await eventually(async () => workers().length === 2 && !workers().includes(victim as number), "the worker is replaced");
    await eventually(async () => (await fetchOnce(url("/"))).status === 200, "requests are served");
    assert.ok((await count()) >= before + 30, "a dead worker's counts must not vanish");
  });

  it("serve on while one of them is restarted, and say so", async () => {
    await eventually(async () => (await readiness()) === 200, "ready again");
    assert.match(gateway.stderr(), /worker ended unexpectedly/);
    assert.equal((await fetchOnce(url("/"))).status, 200);
  });

  it("drain on SIGTERM: what is in flight ends well, nothing new is taken, nothing is left behind", async () => {
    const pids = workers();
    const slow = fetchOnce(url("/slow"));
    await eventually(() => held.length === 1, "the slow request is at the upstream");
    gateway.process.kill("SIGTERM");
    await eventually(
      async () =>
        await fetchOnce(url("/")).then(
          () => false,
          () => true,
        ),
      "new connections are refused",
    );
    held[0]?.();
    const { status, text } = await slow;
    assert.deepEqual([status, text], [200, "at last"]);
    const { code } = await gateway.exited();
    assert.equal(code, 0);
    for (const pid of pids) assert.equal(isRunning(pid), false, `worker ${pid} is still there`);
    assert.ok(
      logLines(gateway.stdout()).some((line) => line.path === "/slow"),
      "the last log line is not lost",
    );
  });
});

describe("a second signal", { skip: process.platform === "linux" ? false : "reads /proc" }, () => {
  it("ends the gateway and its workers at once, although an exchange is under way", async () => {
    let isAsked = false;
    const upstream = await startHttpUpstream(() => {
      isAsked = true;
    });
    const gateway = await startGateway(configuration(upstream.address, 2).replace("timeout: 5s", "timeout: 10m"));
    try {
      const pids = descendantsOf(gateway.process.pid ?? 0);
      const broken = fetchOnce(`http://127.0.0.1:${gateway.port("public")}/slow`).then(
        () => false,
        () => true,
      );
      await eventually(() => isAsked, "the request is at the upstream");
      gateway.process.kill("SIGTERM");
      // An echo within a second of the first signal counts for nothing: so it is said until it is heard.
      await eventually(() => !gateway.process.kill("SIGTERM"), "the gateway has ended");
      assert.equal((await gateway.exited()).code, 143);
      assert.equal(await broken, true);
      await eventually(() => !pids.some(isRunning), "no worker is left");
    } finally {
      await gateway.stop("SIGKILL");
      await upstream.close();
    }
  });
});

describe("a drain that takes too long", () => {
  it("cuts what is under way and does not blame the client in the log", async () => {
    const upstream = await startHttpUpstream((_request, response) => void response.writeHead(200, { "content-length": 10 }).write("half"));
    const gateway = await startGateway(configuration(upstream.address, 1).replace("timeout: 5s", "timeout: 100ms"));
    try {
      const broken = fetchOnce(`http://127.0.0.1:${gateway.port("public")}/cut`).catch((error: Error) => error);
      await eventually(() => upstream.requests.length === 1, "the request is at the upstream");
      const { code, stdout } = await gateway.stop();
      assert.equal(code, 0);
      assert.ok((await broken) instanceof Error, "the client sees a broken response");
      const line = logLines(stdout).find((entry) => entry.path === "/cut");
      assert.deepEqual([line?.flag, line?.error], ["SD", "drain-timeout"]);
    } finally {
      await gateway.stop();
      await upstream.close();
    }
  });
});

describe("windrose run", () => {
  it("names a taken port and what wanted it in one line, and exits 69", async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen({ host: "127.0.0.1", port: 0 }, resolve));
    const { port } = holder.address() as AddressInfo;
    const directory = mkdtempSync(join(tmpdir(), "windrose-test-"));
    try {
      writeFileSync(join(directory, "c.yaml"), configuration("127.0.0.1:1", 1).replace("127.0.0.1:0", `127.0.0.1:${port}`));
      const child = spawn(process.execPath, [MAIN, "run", "-c", join(directory, "c.yaml")], { stdio: ["ignore", "pipe", "pipe"] });
      const { code, stderr } = await watchProcess(child).exit;
      assert.equal(code, 69);
      const complaint = stderr.split("\n").filter((line) => line.includes("already in use"));
      assert.equal(complaint.length, 1, stderr);
      assert.match(complaint[0] as string, new RegExp(`listener "public".*${port}`));
    } finally {
      holder.close();
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it("runs in one process with --single, and drains on SIGINT", async () => {
    const upstream = await startHttpUpstream((_request, response) => response.end("ok"));
    const gateway = await startGateway(configuration(upstream.address, 1), { args: ["--single"] });
    try {
      assert.equal((await fetchOnce(`http://127.0.0.1:${gateway.port("public")}/`)).text, "ok");
      assert.equal(childrenOf(gateway.process.pid ?? 0).length, 0);
      assert.match((await fetchOnce(`${gateway.admin.url}/metrics`)).text, /windrose_requests_total/);
      assert.equal((await gateway.stop("SIGINT")).code, 0);
    } finally {
      await gateway.stop();
      await upstream.close();
    }
  });
});
