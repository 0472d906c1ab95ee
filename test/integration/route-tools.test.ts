/** `windrose explain`, `test` and `plan` as a user runs them: the examples, a gateway that runs, and its own access log. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { fetchOnce, logLines } from "../support/client.js";
import { eventually, MAIN, startGateway } from "../support/gateway.js";
import { startHttpUpstream } from "../support/upstream.js";
import { copyExamples, ENV } from "../unit/config/example-files.js";
import { temporaryDirectory } from "../unit/config/fixtures.js";

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function windrose(args: readonly string[], input = ""): Promise<Run> {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { PATH: process.env["PATH"] ?? "", ...ENV } });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  // A command that refuses early does not read it.
  child.stdin.on("error", () => undefined).end(input);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}

const YAML = `
listeners: [{ name: public, bind: "127.0.0.1:8080", protocol: http }]
routes:
  - { name: orders, match: [{ path: { value: /orders } }], backends: [{ service: a, weight: 3 }, { service: b }] }
  - { name: old, match: [{ path: { value: /old } }], filters: [{ redirect: { hostname: new.example } }] }
services:
  - { name: a, endpoints: { static: [{ address: "10.0.0.1:80" }] } }
  - { name: b, endpoints: { static: [{ address: "10.0.0.2:80" }] } }
admin: { bind: "127.0.0.1:0" }
workers: 1
`;

function files(context: TestContext, more: Readonly<Record<string, string>> = {}): (name: string) => string {
  const directory = temporaryDirectory(context, { "old.yaml": YAML, ...more });
  return (name) => join(directory, name);
}

describe("windrose test", () => {
  const suites = readdirSync("config/tests");

  it("has a suite for every example", () => {
    const examples = readdirSync("config", { withFileTypes: true })
      .filter((entry) => entry.name.endsWith(".yaml") || (entry.isDirectory() && entry.name !== "tests"))
      .map(({ name }) => basename(name, ".yaml"));
    assert.deepEqual(suites.map((name) => basename(name, ".yaml")).sort(), examples.sort());
  });

  it("passes on every example, and the suites say how they are run", async (context) => {
    const config = copyExamples(context);
    for (const suite of suites) {
      const name = basename(suite, ".yaml");
      const example = readdirSync("config").includes(suite) ? suite : name;
      const { code, stdout, stderr } = await windrose(["test", join(config, example), join("config/tests", suite)]);
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, /✓ \d+ tests passed\n$/);
      const text = readFileSync(join("config/tests", suite), "utf8");
      assert.ok(text.startsWith("# yaml-language-server: $schema=../route-tests.schema.json\n"));
      assert.ok(text.includes(`# windrose test config/${example} config/tests/${suite}\n`), suite);
    }
  });

  it("says what was expected, what happened and why, in text, JSON and JUnit", async (context) => {
    const tests = `tests:
  - { name: "a <b> & c", request: GET http://h:8080/order, expect: { route: orders, status: 200 } }
  - { name: fine, request: GET http://h:8080/orders, expect: { backends: { a: 75, b: 25 } } }
`;
    const at = files(context, { "t.yaml": tests });
    const { code, stdout } = await windrose(["test", at("old.yaml"), at("t.yaml"), "--junit", at("report.xml")]);
    assert.equal(code, 2);
    assert.match(stdout, /expected {2}orders\n +got {7}none\n +because {3}orders \(\/orders\) lost: path \/order is not under \/orders/);
    assert.match(stdout, /✗ 1 of 2 tests failed, 1 passed\n$/);
    assert.ok(!stdout.includes("\u001b"));
    assert.match(readFileSync(at("report.xml"), "utf8"), /<testcase name="a &lt;b&gt; &amp; c"/);
    const json = await windrose(["test", at("old.yaml"), at("t.yaml"), "--json"]);
    const { passed, failed } = JSON.parse(json.stdout) as Record<string, unknown>;
    assert.deepEqual([json.code, passed, failed], [2, 1, 1]);
  });

  it("tells wrong files and wrong calls from failed tests", async (context) => {
    const at = files(context, {
      "bad.yaml":
        "tests: [{ name: n, request: { url: 'http://u@h/' }, expect: { status: 1 } }, { name: m, request: x, expect: { route: a } }]",
    });
    const bad = await windrose(["test", at("old.yaml"), at("bad.yaml")]);
    assert.deepEqual([bad.code, bad.stdout], [78, ""]);
    assert.match(bad.stderr, /bad\.yaml:1:\d+ tests\[0\]\.expect\.status must be at least 100/);
    writeFileSync(
      at("bad.yaml"),
      "tests: [{ name: n, request: { url: 'http://u@h/' }, expect: { status: 200 } }, { name: m, request: x, expect: { route: a } }]",
    );
    assert.match(
      (await windrose(["test", at("old.yaml"), at("bad.yaml")])).stderr,
      /tests\[0\]\.request\.url names a user.*\n.*tests\[1\]\.request is not a method/,
    );
    for (const args of [["test"], ["test", at("old.yaml")], ["test", "--jnit", "x", "a", "b"]])
      assert.equal((await windrose(args)).code, 64);
    assert.equal((await windrose(["test", at("old.yaml"), at("missing.yaml")])).code, 78);
  });
});

describe("windrose explain", () => {
  it("explains from a file, and refuses what cannot be explained", async (context) => {
    const at = files(context);
    const text = await windrose(["explain", at("old.yaml"), "--request", "http://h:8080/orders/1"]);
    assert.equal(text.code, 0, text.stderr);
    assert.match(text.stdout, /verdict +proxied to a service\n/);
    assert.match(text.stdout, /75% +a +http1, roundRobin\n/);
    for (const args of [
      [],
      ["--request", "x"],
      ["--request", "http://h/", "--header", "x"],
      ["--request", "http://h/", "--address", "x"],
    ]) {
      assert.equal((await windrose(["explain", at("old.yaml"), ...args])).code, 64, args.join(" "));
    }
    const token = at("token");
    writeFileSync(token, "secret-token\n");
    const withToken = await windrose(["explain", at("old.yaml"), "--request", "http://h:8080/old", "--jwt", `@${token}`, "--json"]);
    assert.equal((JSON.parse(withToken.stdout) as { verdict: { status: number } }).verdict.status, 302);
    assert.ok(!withToken.stdout.includes("secret-token"));
    assert.equal((await windrose(["explain", at("old.yaml"), "--request", "https://h/"])).code, 1);
  });

  it("asks a gateway that runs, and gets what the file says", async (context) => {
    const gateway = await startGateway(YAML.replace("127.0.0.1:8080", "127.0.0.1:0"), { env: { WINDROSE_ADMIN_TOKEN: "" } });
    context.after(() => gateway.stop());
    const args = ["--request", "GET http://h/orders/1?x", "--header", "x-a: 1", "--json"];
    const live = await windrose(["explain", "--admin", gateway.admin.url, ...args]);
    assert.equal(live.code, 0, live.stderr);
    const file = await windrose(["explain", join(gateway.directory, "windrose.yaml"), ...args]);
    // Only one of them knows what its endpoints are doing.
    assert.match(live.stdout, /"state": "0 under way"/);
    const comparable = ({ stdout }: Run): unknown =>
      JSON.parse(stdout.replace(/"value": "[0-9a-f-]{36}"/g, '"value": "id"').replace(/"state": "[^"]*"/g, '"state": null'));
    assert.deepEqual(comparable(live), comparable(file));
    const refused = await windrose(["explain", "--admin", gateway.admin.url, "--request", "https://h/"]);
    assert.deepEqual([refused.code, refused.stdout], [1, ""]);
    assert.match(refused.stderr, /no listener takes https/);
  });
});

describe("windrose plan", () => {
  it("replays what a gateway has logged: nothing differs from itself, and a change does", async (context) => {
    const upstream = await startHttpUpstream();
    context.after(() => upstream.close());
    const yaml = YAML.replaceAll(/10\.0\.0\.[12]:80/g, upstream.address).replace("127.0.0.1:8080", "127.0.0.1:0");
    const gateway = await startGateway(yaml);
    context.after(() => gateway.stop());
    const paths = ["/orders/1", "/orders/2", "/old", "/nothing", "/a%2fb", "/orders?x=1", "/./orders//3"];
    for (const path of paths) await fetchOnce(`http://127.0.0.1:${gateway.port("public")}/`, { path });
    const lines = await eventually(() => {
      const written = logLines(gateway.stdout());
      return written.length === paths.length ? written : null;
    }, "the log");
    const log = `${lines.map((line) => JSON.stringify(line)).join("\n")}\nnonsense\n`;
    const at = files(context, { "live.yaml": yaml, "next.yaml": yaml.replace("weight: 3", "weight: 1"), "access.log": log });
    writeFileSync(at("access.log.gz"), gzipSync(log));
    const same = await windrose(["plan", at("live.yaml"), at("live.yaml"), "--replay", at("access.log")]);
    assert.equal(same.code, 0, same.stdout + same.stderr);
    assert.match(same.stdout, /none of 7 recorded requests .* is treated differently\n\nnote: 1 line left out: not JSON\n$/);
    for (const [path, input] of [
      [at("access.log"), ""],
      [at("access.log.gz"), ""],
      ["-", log],
    ] as const) {
      const { code, stdout, stderr } = await windrose(["plan", at("live.yaml"), at("next.yaml"), "--replay", path, "--json"], input);
      assert.deepEqual([code, stderr], [2, ""]);
      const { changes, replay } = JSON.parse(stdout) as {
        changes: unknown[];
        replay: { replayed: number; different: number; recordedOtherwise: number; groups: { count: number }[] };
      };
      assert.deepEqual(
        [changes.length, replay.replayed, replay.different, replay.recordedOtherwise, replay.groups.map(({ count }) => count)],
        [1, 7, 4, 0, [4]],
      );
    }
  });

  it("tells what cannot be read from what differs", async (context) => {
    const at = files(context, { "broken.yaml": "listeners: 5", "cut.gz": "" });
    const whole = gzipSync("{}\n".repeat(1000));
    writeFileSync(at("cut.gz"), whole.subarray(0, whole.length - 10));
    mkdirSync(at("folder"));
    const codes = async (...args: string[]): Promise<number | null> => (await windrose(["plan", ...args])).code;
    assert.equal(await codes(at("old.yaml"), at("old.yaml")), 0);
    assert.equal(await codes(at("old.yaml"), at("broken.yaml")), 78);
    assert.equal(await codes(at("old.yaml")), 64);
    assert.equal(await codes(at("old.yaml"), at("old.yaml"), "--examples", "x"), 64);
    for (const log of ["missing", "folder", "cut.gz"])
      assert.equal(await codes(at("old.yaml"), at("old.yaml"), "--replay", at(log)), 1, log);
  });
});
