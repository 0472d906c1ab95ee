/** `windrose register -- COMMAND` with real processes: how it ends, and what becomes of the instance. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { fetchOnce } from "../support/client.js";
import { eventually, type Gateway, MAIN, startGateway } from "../support/gateway.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";

const CONFIGURATION = `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, backends: [{ service: orders }] }]
services: [{ name: orders, endpoints: { registry: { minimumEndpoints: 0 } } }]
registry: { serve: true, bind: "127.0.0.1:0", grace: 1s, drain: 1s, retention: 1m }
admin: { bind: "127.0.0.1:0" }
telemetry: { accessLog: { path: "off" } }
workers: 1
`;

describe("windrose register", () => {
  let gateway: Gateway;
  let upstream: HttpUpstream;
  const left: ChildProcess[] = [];

  before(async () => {
    gateway = await startGateway(CONFIGURATION);
    upstream = await startHttpUpstream(undefined, "one");
  });
  after(async () => {
    for (const child of left) child.kill("SIGKILL");
    await gateway?.stop();
    await upstream?.close();
  });

  /** Registers an upstream of this test for a program that does nothing but end as `script` says. */
  function register(
    id: string,
    script: string,
    more: readonly string[] = [],
  ): { child: ChildProcess; stdout: () => string; exit: Promise<number | null> } {
    const flags = ["--service", "orders", "--address", upstream.address, "--id", id, "--lease", "1s", "--drain", "300ms"];
    const registry = more.includes("--registry") ? [] : ["--registry", gateway.registryUrl];
    const command = ["--", process.execPath, "-e", `console.log(process.pid); setInterval(() => {}, 1000); ${script}`];
    const child = spawn(process.execPath, [MAIN, "register", ...flags, ...registry, ...more, ...command], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    left.push(child);
    let stdout = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    return { child, stdout: () => stdout, exit: new Promise((resolve) => child.once("exit", resolve)) };
  }

  async function see(id: string): Promise<Readonly<Record<string, unknown>>> {
    const { text } = await fetchOnce(`${gateway.registryUrl}/v1/services/orders/instances`);
    return (JSON.parse(text) as { instances: Record<string, unknown>[] }).instances.find((one) => one.id === id) ?? { state: "none" };
  }

  async function until(id: string, state: string): Promise<void> {
    await eventually(async () => (await see(id)).state === state, `${id} to be ${state}`);
  }

  it("says version and identity, and leaves with the code of a command that ends by itself", async () => {
    const identity = "spiffe://example.internal/service/orders";
    const { exit } = register("ends", "setTimeout(() => process.exit(3), 2000)", ["--version", "v2", "--identity", identity]);
    await until("ends", "up");
    const { version, identity: seen } = await see("ends");
    assert.deepEqual([version, seen], ["v2", identity]);
    assert.equal(await exit, 3);
    assert.equal((await see("ends")).state, "draining");
  });

  it("takes a command that crashes out at once, and ends with 128 and its signal", async () => {
    const { exit } = register("crashes", "setTimeout(() => process.kill(process.pid, 'SIGSEGV'), 2000)");
    await until("crashes", "up");
    assert.equal(await exit, 139);
    assert.equal((await see("crashes")).state, "draining");
  });

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(`drains before it passes ${signal} on`, async () => {
      const id = signal.toLowerCase();
      const { child, exit, stdout } = register(id, `process.on('${signal}', () => { console.log('told'); process.exit(7); })`);
      await until(id, "up");
      await eventually(() => stdout() !== "", "the command");
      child.kill(signal);
      await until(id, "draining");
      assert.ok(!stdout().includes("told"), "the command is not told yet");
      assert.equal(await exit, 7);
    });
  }

  it("passes a second signal on at once", async () => {
    const { child, exit, stdout } = register("hurried", "process.on('SIGTERM', () => process.exit(7))", ["--drain", "1h"]);
    await until("hurried", "up");
    await eventually(() => stdout() !== "", "the command");
    child.kill("SIGTERM");
    await until("hurried", "draining");
    child.kill("SIGTERM");
    assert.equal(await exit, 7);
  });

  it("leaves an instance that expires when it is killed itself", async () => {
    const { child, stdout } = register("orphan", "");
    await until("orphan", "up");
    child.kill("SIGKILL");
    await until("orphan", "expired");
    process.kill(Number.parseInt(stdout(), 10), "SIGKILL");
  });

  it("asks the next of several registries when one does not answer", async () => {
    const more = ["--registry", "http://127.0.0.1:9", "--registry", gateway.registryUrl];
    const { child, exit } = register("second", "", more);
    await until("second", "up");
    child.kill("SIGTERM");
    assert.equal(await exit, 0);
    assert.equal((await see("second")).state, "draining");
  });

  it("ends at once when the registry will never take it, and takes its command along", async () => {
    const { exit, stdout } = register("Not a name", "");
    assert.equal(await exit, 1);
    await eventually(() => !isAlive(Number.parseInt(stdout(), 10)), "the end of its command");
  });

  it("registers again after the gateway has restarted", async () => {
    const { child, exit } = register("patient", "");
    await until("patient", "up");
    const port = new URL(gateway.registryUrl).port;
    await gateway.stop("SIGKILL");
    gateway = await startGateway(CONFIGURATION.replace('serve: true, bind: "127.0.0.1:0"', `serve: true, bind: "127.0.0.1:${port}"`));
    await until("patient", "up");
    child.kill("SIGTERM");
    assert.equal(await exit, 0);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
