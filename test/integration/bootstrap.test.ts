import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { eventually, type GatewayExit, watchProcess, within } from "../support/gateway.js";

const TIMEOUT_MS = 60_000;

/** Stands for npm: notes what it was asked and lends this project's packages. */
const NPM = `
const fs = require("node:fs");
const path = require("node:path");
fs.appendFileSync("npm.log", process.argv.slice(2).join(" ") + "\\n");
if (process.env.NPM_STUB_FAILS) process.exit(7);
fs.rmSync("node_modules", { recursive: true, force: true });
fs.mkdirSync("node_modules");
for (const name of fs.readdirSync(process.env.LENDER)) {
  if (name !== ".windrose-stamp.json") fs.symlinkSync(path.join(process.env.LENDER, name), path.join("node_modules", name));
}
`;

const MAIN_TS = `
import { helper } from "./helper.js";
process.stdout.write(JSON.stringify({ args: process.argv.slice(2), helper: helper() }) + "\\n");
if (process.argv.includes("--wait")) {
  const timer = setInterval(() => {}, 1000);
  let signals = 0;
  process.on("SIGTERM", () => {
    signals += 1;
    setTimeout(() => { process.stdout.write("signals " + signals + "\\n"); clearInterval(timer); }, 100);
  });
  process.stdout.write("waiting\\n");
}
process.exitCode = 69;
`;

const GOOD_TEST = `
import assert from "node:assert/strict";
import { it } from "node:test";
it("holds", () => assert.equal(1, 1));
`;

describe("bootstrap", () => {
  let root = "";
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "windrose-bootstrap-"));
    write("package.json", '{ "type": "module" }');
    write("package-lock.json", "{}");
    write("npm.cjs", NPM);
    write("src/main.ts", MAIN_TS);
    write("src/helper.ts", 'export function helper(): string { return "first"; }\n');
    write("test/unit/good.test.ts", GOOD_TEST);
    copyFileSync("tsconfig.json", join(root, "tsconfig.json"));
    copyFileSync("src/bootstrap.mjs", join(root, "src", "bootstrap.mjs"));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function write(name: string, text: string): void {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }

  function launch(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    nodeArgs: readonly string[] = [],
  ): { child: ChildProcess } & ReturnType<typeof watchProcess> {
    // NODE_TEST_CONTEXT would make the inner test run report to this one.
    const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
    const full = { ...inherited, npm_execpath: join(root, "npm.cjs"), LENDER: resolve("node_modules"), ...env };
    const child = spawn(process.execPath, [...nodeArgs, join(root, "src", "bootstrap.mjs"), ...args], {
      cwd: tmpdir(),
      env: full,
      stdio: ["ignore", "pipe", "pipe"],
    });
    return { child, ...watchProcess(child) };
  }

  async function bootstrap(...args: string[]): Promise<GatewayExit> {
    return await within(TIMEOUT_MS, launch(args).exit, () => `bootstrap ${args.join(" ")}`);
  }

  function installations(): string[] {
    return existsSync(join(root, "npm.log")) ? readFileSync(join(root, "npm.log"), "utf8").trim().split("\n") : [];
  }

  function leftovers(): string[] {
    return readdirSync(root).filter((name) => name.startsWith("dist-"));
  }

  it("installs, builds and starts the quickstart on the first run, and passes arguments and exit code on", async () => {
    const { code, stdout, stderr } = await bootstrap("start", "--single");
    assert.equal(stdout, '{"args":["quickstart","--single"],"helper":"first"}\n', stderr);
    assert.equal(code, 69);
    assert.match(
      stderr,
      /^windrose: installing packages \(npm ci\)\nwindrose: installed in \S+ s\nwindrose: building\nwindrose: built in \S+ s\n$/,
    );
    assert.deepEqual(installations(), ["ci --include=dev --no-audit --no-fund"]);
    assert.deepEqual(leftovers(), []);
  });

  it("does neither on the second run", async () => {
    await bootstrap("build");
    const { stderr } = await bootstrap("start");
    assert.equal(stderr, "");
    assert.equal(installations().length, 1);
  });

  it("builds again when a source changed, without what a deleted source had left", async () => {
    write("src/obsolete.ts", "export const x = 1;\n");
    await bootstrap("build");
    assert.ok(existsSync(join(root, "dist/src/obsolete.js")));
    rmSync(join(root, "src/obsolete.ts"));
    write("src/helper.ts", 'export function helper(): string { return "second"; }\n');
    const { stdout, stderr } = await bootstrap("start");
    assert.match(stdout, /"helper":"second"/);
    assert.doesNotMatch(stderr, /installing/);
    assert.ok(!existsSync(join(root, "dist/src/obsolete.js")));
  });

  it("keeps the last good build when a new one fails", async () => {
    await bootstrap("build");
    write("src/helper.ts", "export function helper(): string { return 1; }\n");
    const { code, stdout, stderr } = await bootstrap("build");
    assert.notEqual(code, 0);
    assert.match(stdout, /src\/helper\.ts\(1,.*error TS2322/);
    assert.match(stderr, /windrose: the build failed\n$/);
    assert.match(readFileSync(join(root, "dist/src/helper.js"), "utf8"), /"first"/);
    assert.deepEqual(leftovers(), []);
  });

  const staleTrees: [why: string, change: () => void][] = [
    ["the lock file changed", () => appendFileSync(join(root, "package-lock.json"), "\n")],
    ["the tree was made under another Node.js", () => replaceStamp((stamp) => ({ ...stamp, abi: "83" }))],
    ["an installation was interrupted", () => rmSync(join(root, "node_modules/.windrose-stamp.json"))],
    ["the tree is gone", () => rmSync(join(root, "node_modules"), { recursive: true })],
  ];
  function replaceStamp(change: (stamp: Record<string, string>) => Record<string, string>): void {
    const path = join(root, "node_modules/.windrose-stamp.json");
    writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, "utf8")))));
  }
  for (const [why, change] of staleTrees) {
    it(`installs again when ${why}`, async () => {
      await bootstrap("build");
      change();
      assert.equal((await bootstrap("build")).code, 0);
      assert.equal(installations().length, 2);
    });
  }

  it("says that npm failed, passes its exit code on and tries again the next time", async () => {
    const { code, stderr } = await within(TIMEOUT_MS, launch(["build"], { NPM_STUB_FAILS: "1" }).exit, () => "build");
    assert.equal(code, 7);
    assert.match(stderr, /windrose: npm ci failed\n$/);
    assert.equal((await bootstrap("build")).code, 0);
  });

  it("runs the tests it finds and prints the counts", async () => {
    write("test/integration/also-good.test.ts", GOOD_TEST);
    const { code, stdout } = await bootstrap("test");
    assert.equal(code, 0);
    assert.match(stdout, /tests 2\n/);
    assert.match(stdout, /pass 2\n/);
  });

  it("fails when a test fails, and runs only the files asked for", async () => {
    write("test/unit/bad.test.ts", GOOD_TEST.replace("1, 1", "1, 2"));
    const all = await bootstrap("test");
    assert.equal(all.code, 1);
    assert.match(all.stderr, /windrose: tests failed\n$/);
    const chosen = await bootstrap("test", "unit/good", "--test-name-pattern=holds");
    assert.equal(chosen.code, 0);
    assert.match(chosen.stdout, /tests 1\n/);
    const none = await bootstrap("test", "nothing-like-that");
    assert.equal(none.code, 1);
    assert.match(none.stderr, /no test file's path contains nothing-like-that/);
  });

  it("lets two commands in one folder take turns", async () => {
    const both = await Promise.all([bootstrap("build"), bootstrap("build")]);
    assert.deepEqual(
      both.map(({ code }) => code),
      [0, 0],
    );
    assert.equal(installations().length, 1);
    assert.deepEqual(leftovers(), []);
  });

  it("hands a termination signal to the gateway once and waits for it", async () => {
    await bootstrap("build");
    const run = launch(["start", "--wait"]);
    await eventually(() => run.stdout().includes("waiting"), "the program waits", TIMEOUT_MS);
    run.child.kill("SIGTERM");
    const { code, stdout } = await within(TIMEOUT_MS, run.exit, () => "start --wait");
    assert.equal(code, 69);
    assert.match(stdout, /signals 1\n$/);
  });

  it("passes a termination signal on to the tests and does not outlive them", async () => {
    write(
      "test/unit/slow.test.ts",
      'import { it } from "node:test";\nit("waits", () => new Promise((resolve) => setTimeout(resolve, 60_000)));\n',
    );
    await bootstrap("build");
    const run = launch(["test"]);
    await eventually(() => run.stderr().includes("running 2 test files"), "tests run", TIMEOUT_MS);
    run.child.kill("SIGTERM");
    const { code, signal } = await within(TIMEOUT_MS, run.exit, () => "test");
    assert.ok(code !== 0 || signal !== null);
  });

  const versions: [version: string, isRefused: boolean][] = [
    ["18.20.4", true],
    ["20.18.3", true],
    ["20.19.0", false],
    ["22.0.0", false],
    ["24.1.0", true],
  ];
  for (const [version, isRefused] of versions) {
    it(`${isRefused ? "refuses" : "accepts"} Node.js ${version}`, async () => {
      write("version.cjs", `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } });`);
      const { exit } = launch(["test", "nothing"], { NPM_STUB_FAILS: "1" }, ["--require", join(root, "version.cjs")]);
      const { code, stderr } = await within(TIMEOUT_MS, exit, () => version);
      if (isRefused) assert.deepEqual([code, stderr], [1, `windrose: Node.js 20 (20.19 or later) or 22 is needed, this is ${version}\n`]);
      else assert.match(stderr, /npm ci failed/);
    });
  }

  it("finds in the lock file the packages of every platform, without which newer npm versions refuse to install", () => {
    const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>;
    };
    const optional = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
    assert.ok(optional.length > 0);
    assert.deepEqual(
      optional.filter((name) => !(`node_modules/${name}` in packages)),
      [],
    );
  });

  it("refuses a task that it does not know", async () => {
    const { code, stderr } = await bootstrap("deploy");
    assert.equal(code, 64);
    assert.match(stderr, /usage: node src\/bootstrap\.mjs start\|test\|build\|bench\|soak\|hostile\|chaos\|reload\|verify/);
  });
});
