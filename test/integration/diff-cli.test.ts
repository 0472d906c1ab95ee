/** `windrose diff` as a user runs it: on files, on a history on disk, and on a gateway that runs. */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { createVersionStore } from "../../src/control/version-store.js";
import type { ConfigVersion } from "../../src/engine/model/configuration.js";
import { eventually, MAIN, startGateway } from "../support/gateway.js";

const directory = mkdtempSync(join(tmpdir(), "windrose-diff-cli-"));
after(() => rmSync(directory, { recursive: true, force: true }));

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function diff(args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
  const options = { cwd: directory, env: { PATH: process.env["PATH"] ?? "", ...env }, timeout: 60_000 };
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, "diff", ...args], options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

const document = (weight: number, more = "") => `
listeners: [{ name: public, bind: "127.0.0.1:0", protocol: http }]
services:
  - { name: a, endpoints: { static: [{ address: "127.0.0.1:1" }] } }
  - { name: b, endpoints: { static: [{ address: "127.0.0.1:2" }] } }
routes:
  - name: orders
    backends: [{ service: a, weight: ${weight} }, { service: b, weight: 5 }]
${more}`;
const ADMIN = 'admin: { bind: "127.0.0.1:0" }\n';

function write(name: string, text: string): string {
  writeFileSync(join(directory, name), text);
  return name;
}

describe("windrose diff", () => {
  it("shows objects and fields, and ends with 2", async () => {
    const [a, b] = [write("a.yaml", document(90)), write("b.yaml", document(95, "workers: 3\n"))];
    const { code, stdout, stderr } = await diff([a, b]);
    assert.deepEqual([code, stderr], [2, ""]);
    assert.match(
      stdout,
      /^~ routes\/orders\n {4}backends\[0\]\.weight {2}90 → 95\n~ workers\n {4}auto → 3\n2 differences: 2 changed \([0-9a-f]{16} → [0-9a-f]{16}\)\n$/,
    );
    const coloured = await diff([a, b], { FORCE_COLOR: "1" });
    assert.ok(coloured.stdout.includes("\u001b[31m90\u001b[39m → \u001b[32m95\u001b[39m"));
  });

  it("ends with 0 when what is said is the same, however it is written", async () => {
    const { code, stdout } = await diff([
      write("a.yaml", document(90)),
      write("same.yaml", `# other words\n${document(90, "workers: auto\n")}`),
    ]);
    assert.equal(code, 0);
    assert.match(stdout, /^no differences \(version [0-9a-f]{16}\)\n$/);
  });

  it("compares folders with files", async () => {
    mkdirSync(join(directory, "folder"), { recursive: true });
    write("folder/10.yaml", document(90));
    write("folder/20.yaml", "workers: 2\n");
    const { code, stdout } = await diff([write("a.yaml", document(90)), "folder"]);
    assert.equal(code, 2);
    assert.match(stdout, /^~ workers\n {4}auto → 2\n1 difference: 1 changed/);
  });

  it("tells changed secrets and shows none", async () => {
    const [a, b] = ["0123456789abcdef-first", "0123456789abcdef-other"].map((token, index) =>
      write(`token-${index}.yaml`, document(1, `admin: { token: ${token} }\n`)),
    );
    const { code, stdout } = await diff([a as string, b as string]);
    assert.equal(code, 2);
    assert.match(stdout, /^~ admin\n {4}token {2}changed \(secret\)\n/);
    const json = await diff(["--json", a as string, b as string]);
    assert.deepEqual((JSON.parse(json.stdout) as { changes: unknown }).changes, [
      { kind: "admin", name: "", change: "changed", fields: [{ path: "token", before: "[redacted]", after: "[redacted]" }] },
    ]);
    for (const { stdout: out, stderr } of [{ stdout, stderr: "" }, json]) assert.equal(`${out}${stderr}`.includes("0123456789"), false);
  });

  it("ends quietly when whoever reads its output has left", async () => {
    const many = (value: string) =>
      `${document(1)}${Array.from({ length: 3000 }, (_, index) => `  - { name: r${index}, filters: [{ respond: { body: ${value} } }] }\n`).join("")}`;
    const [a, b] = [write("many-a.yaml", many("x".repeat(100))), write("many-b.yaml", many("y".repeat(100)))];
    const command = `"${process.execPath}" "${MAIN}" diff ${a} ${b} | head -1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = spawnSync("bash", ["-c", command], { cwd: directory, encoding: "utf8", timeout: 60_000 });
    assert.deepEqual([stdout, stderr], ["~ routes/r0\n2\n", ""]);
  });

  it("reports the problems of both sides, with 78", async () => {
    const { code, stdout, stderr } = await diff([write("bad.yaml", "listeners: 5\n"), "missing.yaml"]);
    assert.deepEqual([code, stdout], [78, ""]);
    assert.match(stderr, /^bad\.yaml:1:12 listeners expected a list/);
    assert.match(stderr, /missing\.yaml cannot be read: no such file/);
    assert.match(stderr, /windrose diff: bad\.yaml has 1 problem; missing\.yaml has 1 problem\n$/);
  });
});

describe("windrose diff --state", () => {
  const root = join(directory, "state");
  const history = (name: string, path: string, weights: readonly number[]) => {
    const store = createVersionStore({ directory: join(root, name), onNotice: (message) => assert.fail(message) });
    for (const weight of weights) {
      const accepted = { acceptedAt: new Date().toISOString(), source: "admin", author: "", note: "", path } as const;
      store.record({ ...accepted, version: String(weight).padStart(16, "0"), texts: [{ name: "w.yaml", text: document(weight) }] });
    }
    store.close();
  };

  it("compares versions of a gateway that need not run", async () => {
    history("0123456789abcdef", join(directory, "w.yaml"), [70, 80, 90]);
    for (const state of [root, join(root, "0123456789abcdef")]) {
      const { code, stdout, stderr } = await diff(["--state", state, "~2", "#3"]);
      assert.deepEqual([code, stderr], [2, ""]);
      assert.match(stdout, /backends\[0\]\.weight {2}70 → 90/);
    }
    assert.equal((await diff(["--state", root, "latest", "#3"])).code, 0);
  });

  it("says what is not there", async () => {
    const missing = await diff(["--state", root, "~9", "#3"]);
    assert.deepEqual([missing.code, missing.stderr], [1, "windrose diff: there are only 3 versions\n"]);
    const empty = await diff(["--state", join(directory, "folder"), "~1", "~0"]);
    assert.deepEqual([empty.code, empty.stderr], [1, `windrose diff: there is no history in ${join(directory, "folder")}\n`]);
    const nowhere = await diff(["--state", join(directory, "nowhere"), "~1", "~0"]);
    assert.match(nowhere.stderr, /cannot be read: no such file or directory/);
    history("fedcba9876543210", "/etc/other.yaml", [1, 2]);
    const several = await diff(["--state", root, "~1", "~0"]);
    assert.equal(several.code, 1);
    assert.match(
      several.stderr,
      /several histories in .*; name one:\n.*0123456789abcdef \(.*w\.yaml\)\n.*fedcba9876543210 \(\/etc\/other\.yaml\)\n/,
    );
  });
});

describe("windrose diff --admin", () => {
  it("compares versions of a gateway that runs", async (t) => {
    const gateway = await startGateway(document(90, ADMIN));
    t.after(() => gateway.stop());
    const versions = async () => {
      const response = await fetch(`${gateway.admin.url}/v1/versions`);
      return ((await response.json()) as { versions: ConfigVersion[] }).versions;
    };
    writeFileSync(join(gateway.directory, "windrose.yaml"), document(95, ADMIN));
    await eventually(async () => (await versions()).length === 2, "the second version");
    const { code, stdout, stderr } = await diff(["--admin", gateway.admin.url, "latest~1", "latest"]);
    assert.deepEqual([code, stderr], [2, ""]);
    assert.match(stdout, /^~ routes\/orders\n {4}backends\[0\]\.weight {2}90 → 95\n1 difference/);
    const [newest, oldest] = await versions();
    const back = await diff(["--json", "--admin", gateway.admin.url, newest?.version ?? "", `#${oldest?.sequence}`]);
    assert.equal(back.code, 2);
    const { from, to } = JSON.parse(back.stdout) as { from: string; to: string };
    assert.deepEqual([from, to], [newest?.version, oldest?.version]);
    const unknown = await diff(["--admin", gateway.admin.url, "ffff", "~0"]);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /there is no version ffff/);
  });

  it("says that nobody is there, with 69", async () => {
    const { code, stderr } = await diff(["--admin", `unix:${join(directory, "none.sock")}`, "~1", "~0"]);
    assert.equal(code, 69);
    assert.match(stderr, /^windrose diff: cannot reach /);
  });
});
