/**
 * The stand-in for Kubernetes' API server (which cannot run here) is spoken to by the real `kubectl`: what that understands, the
 * tests of the gateway may rely on.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { eventually } from "../support/gateway.js";
import { type KubernetesApi, startKubernetesApi } from "../support/kubernetes-api.js";
import { podEndpoint, type SliceObject, slice } from "../support/kubernetes-store.js";
import { missingProgram } from "../support/programs.js";

interface Run {
  readonly child: ChildProcess;
  stdout(): string;
  stderr(): string;
  readonly ended: Promise<unknown>;
}

describe("kubectl and the stand-in for Kubernetes", { skip: missingProgram("kubectl") }, () => {
  const directory = mkdtempSync(join(tmpdir(), "windrose-kubectl-"));
  let api: KubernetesApi;

  before(async () => {
    api = await startKubernetesApi();
    writeFileSync(join(directory, "ca.pem"), api.caPem);
    for (let i = 0; i < 5; i++) api.store.put(slice(`orders-${i}`, "orders", { endpoints: [podEndpoint(`10.0.0.${i}`)] }));
    api.store.put(slice("users-0", "users", { endpoints: [podEndpoint("10.0.1.0")] }));
  });
  after(async () => {
    await api?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  function kubectl(...args: string[]): Run {
    const access = [
      "--server",
      api.url,
      "--certificate-authority",
      join(directory, "ca.pem"),
      "--token",
      "a-token-of-the-gateway",
      "-n",
      "shop",
    ];
    const env = { PATH: process.env["PATH"], HOME: directory, KUBECONFIG: join(directory, "none") };
    const child = spawn("kubectl", [...access, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
    const texts = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        texts[name] += text;
      });
    }
    const ended = new Promise((resolve) => child.once("close", resolve));
    return { child, stdout: () => texts.stdout, stderr: () => texts.stderr, ended };
  }

  /** Of old versions, errors hold warnings, too. */
  async function run(...args: string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
    const { ended, stdout, stderr } = kubectl(...args);
    await ended;
    return { stdout: stdout(), stderr: stderr() };
  }

  it("agree on lists, in pages and by label", async () => {
    const before = api.requests.length;
    const { stdout } = await run("get", "endpointslices", "-o", "json", "--chunk-size=2", "-l", "kubernetes.io/service-name in (orders,x)");
    const { items } = JSON.parse(stdout) as { items: readonly SliceObject[] };
    assert.deepEqual(
      items.map(({ metadata, endpoints }) => [metadata.name, endpoints?.[0]?.addresses[0]]),
      Array.from({ length: 5 }, (_, i) => [`orders-${i}`, `10.0.0.${i}`]),
    );
    assert.deepEqual(
      api.requests.slice(before).map(({ parameters }) => [parameters.get("limit"), parameters.has("continue")]),
      [
        ["2", false],
        ["2", true],
        ["2", true],
      ],
    );
  });

  it("agree on what changes", async () => {
    const watch = kubectl(
      "get",
      "endpointslices",
      "-o",
      "json",
      "--watch-only",
      "--output-watch-events",
      "-l",
      "kubernetes.io/service-name=orders",
    );
    try {
      await eventually(() => api.watches() === 1, "the watch");
      api.store.put(slice("orders-1", "orders", { endpoints: [podEndpoint("10.0.0.99")] }));
      api.store.put(slice("orders-9", "orders"));
      api.store.put(slice("users-0", "users"));
      api.store.remove("shop", "orders-0");
      const events = (): [string, string][] =>
        [...watch.stdout().matchAll(/"type":\s*"([A-Z]+)"/g)].map(([, type = ""], i) => [type, namesIn(watch.stdout())[i] ?? ""]);
      await eventually(() => events().length === 3, "three events");
      assert.deepEqual(events().sort(), [
        ["ADDED", "orders-9"],
        ["DELETED", "orders-0"],
        ["MODIFIED", "orders-1"],
      ]);
    } finally {
      watch.child.kill();
      await watch.ended;
    }
  });

  it("agree on who may not", async () => {
    api.rules = [];
    assert.match(
      (await run("get", "endpointslices")).stderr,
      /Forbidden.*cannot list resource "endpointslices" in API group "discovery\.k8s\.io" in the namespace "shop"/,
    );
    api.tokens.clear();
    assert.match((await run("get", "endpointslices")).stderr, /Unauthorized/);
  });
});

/** Of the objects in a stream of them. */
function namesIn(text: string): string[] {
  return [...text.matchAll(/"name":\s*"((?:orders|users)-\d)"/g)].map(([, name = ""]) => name);
}
