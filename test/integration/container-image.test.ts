import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { watchProcess, within } from "../support/gateway.js";
import { findFreePort } from "../support/upstream.js";

/** What can be said about the image without a container engine: its files, put together by hand, run. */
const DOCKERFILE = readFileSync("Dockerfile", "utf8").replace(/\\\n\s*/g, " ");
const COMPILED_SOURCES = fileURLToPath(new URL("../../src", import.meta.url));

interface Copy {
  /** Name of the stage copied from; null: the build context. */
  readonly from: string | null;
  readonly sources: readonly string[];
  readonly target: string;
}

const STAGES = DOCKERFILE.split(/^(?=FROM )/m).filter((stage) => stage.startsWith("FROM "));
const RUNTIME = STAGES.at(-1) ?? "";

function copies(stage: string): Copy[] {
  return [...stage.matchAll(/^COPY (?:--from=(\S+) )?(.*)$/gm)].map(([, from, rest = ""]) => {
    const words = rest.trim().split(/\s+/);
    return { from: from ?? null, sources: words.slice(0, -1), target: words.at(-1) ?? "" };
  });
}

function instruction(name: string): string[] {
  const text = new RegExp(`^${name} +(?:--\\S+ +)*(?:CMD )?(\\[.*\\])$`, "m").exec(RUNTIME)?.[1];
  assert.ok(text, `${name} in exec form`);
  return JSON.parse(text);
}

/** Paths of the packages that `npm ci --omit=dev` installs here. */
function productionPackages(): string[] {
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as { packages: Record<string, { dev?: boolean }> };
  return Object.entries(packages).flatMap(([path, entry]) => (path !== "" && !entry.dev && existsSync(path) ? [path] : []));
}

describe("container image", () => {
  const root = mkdtempSync(join(tmpdir(), "windrose-image-"));
  after(() => rmSync(root, { recursive: true, force: true }));

  before(() => {
    for (const path of productionPackages()) cpSync(path, join(root, path), { recursive: true });
    for (const { from, sources, target } of copies(RUNTIME)) {
      if (from === "packages") continue;
      for (const source of sources) {
        const origin = from === "build" ? COMPILED_SOURCES : source;
        const destination = target === "./" ? join(root, source) : join(root, target);
        mkdirSync(dirname(destination), { recursive: true });
        cpSync(origin, destination, { recursive: true });
      }
    }
  });

  it("copies only files that exist and that .dockerignore lets through", () => {
    const allowed =
      readFileSync(".dockerignore", "utf8")
        .match(/^!.*$/gm)
        ?.map((line) => line.slice(1)) ?? [];
    const sources = STAGES.flatMap(copies).flatMap((copy) => (copy.from === null ? copy.sources : []));
    assert.ok(sources.includes("src") && sources.includes("package-lock.json"));
    for (const source of sources) {
      assert.ok(existsSync(source), source);
      assert.ok(allowed.includes(source), `${source} in .dockerignore`);
    }
  });

  it("takes nothing into the runtime stage but sources, configuration and production packages", () => {
    const taken = copies(RUNTIME).flatMap((copy) => copy.sources.map((source) => `${copy.from ?? "context"}:${source}`));
    assert.deepEqual(taken.sort(), [
      "build:/build/dist/src",
      "context:LICENSE",
      "context:config",
      "context:package.json",
      "packages:/packages/node_modules",
    ]);
    assert.match(STAGES[1] ?? "", /npm ci --omit=dev/);
  });

  it("uses one Node.js 22 on glibc in every stage, and another user than root", () => {
    for (const stage of STAGES) assert.match(stage, /^FROM node:22-bookworm-slim( |\n)/);
    assert.match(RUNTIME, /^USER node$/m);
    assert.match(RUNTIME, /^STOPSIGNAL SIGTERM$/m);
    assert.ok(RUNTIME.indexOf("USER node") > RUNTIME.lastIndexOf("COPY "), "files belong to root, the process does not");
  });

  it("runs from just these files: version, check, and a gateway that its health check finds ready", async () => {
    const [node, entry = "", ...none] = instruction("ENTRYPOINT");
    assert.deepEqual([node, none], ["node", []]);
    const main = join(root, entry);
    assert.ok(statSync(main).isFile());
    const version = spawnSync(process.execPath, [main, "--version"], { encoding: "utf8", cwd: root });
    assert.equal(version.status, 0, version.stderr);

    const adminPort = await findFreePort();
    const configPath = join(root, "windrose.yaml");
    const yaml = `
listeners: [{ name: public, bind: 127.0.0.1:0, protocol: http }]
routes: [{ name: hello, filters: [{ respond: { body: hello } }] }]
admin: { bind: "127.0.0.1:${adminPort}" }
workers: 1
`;
    writeFileSync(configPath, yaml);
    const command = instruction("CMD").map((word) => (word === "/etc/windrose/windrose.yaml" ? configPath : word));
    const probe = instruction("HEALTHCHECK");
    const health = (): number | null =>
      spawnSync(process.execPath, probe.slice(1), { env: { ...process.env, WINDROSE_ADMIN: `http://127.0.0.1:${adminPort}` } }).status;
    assert.equal(health(), 1, "not ready before the start");

    const child = spawn(process.execPath, [main, ...command, "--ready-fd", "3"], { cwd: root, stdio: ["ignore", "pipe", "pipe", "pipe"] });
    const run = watchProcess(child);
    try {
      const ready = new Promise<void>((resolve) => (child.stdio[3] as Readable).once("data", () => resolve()));
      await within(30_000, Promise.race([ready, run.exit]), () => run.stderr());
      assert.equal(health(), 0, run.stderr());
    } finally {
      child.kill("SIGTERM");
    }
    const { code } = await within(30_000, run.exit, () => run.stderr()).finally(() => child.kill("SIGKILL"));
    assert.equal(code, 0, run.stderr());
  });

  it("reaches the admin listener where the configuration puts it by default", () => {
    assert.match(instruction("HEALTHCHECK").join(" "), /http:\/\/127\.0\.0\.1:9901'/);
  });
});
