import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseConfig } from "../../src/config/index.js";
import { ensureDevelopmentCertificates } from "../../src/identity/dev-certificates.js";
import { MAIN } from "../support/gateway.js";

const DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "certs/README.md"];
const README = readFileSync("README.md", "utf8");
const directory = mkdtempSync(join(tmpdir(), "windrose-readme-"));
after(() => rmSync(directory, { recursive: true, force: true }));

function fences(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map((match) => match[1] ?? "");
}

describe("README", () => {
  before(async () => {
    await ensureDevelopmentCertificates({ directory: join(directory, "certs"), hosts: [], isForced: false, now: new Date() });
  });

  it("shows blocks of configuration that make one document without a problem or warning", () => {
    const blocks = fences(README, "yaml");
    assert.ok(blocks.length >= 5);
    const result = parseConfig(blocks.join(""), join(directory, "windrose.yaml"), {
      env: { WINDROSE_ADMIN_TOKEN: "0123456789abcdef0123456789abcdef" },
    });
    assert.ok(result.ok, JSON.stringify(result.ok ? [] : result.problems, null, 2));
    assert.deepEqual(result.warnings, []);
    assert.deepEqual(
      result.snapshot.routes.map((route) => route.name),
      ["to-https", "orders", "status"],
    );
  });

  it("shows each block as one that can be pasted alone", () => {
    for (const block of fences(README, "yaml")) assert.match(block, /^\w+:/);
  });

  it("names only commands that exist, with options that exist", () => {
    const calls = [...README.matchAll(/dist\/src\/main\.js (\w+)((?: --[a-z-]+)*)/g)];
    assert.ok(calls.length >= 4);
    for (const [, command = "", options = ""] of calls) {
      const { status, stdout } = spawnSync(process.execPath, [MAIN, command, "--help"], { encoding: "utf8" });
      assert.equal(status, 0, command);
      for (const option of options.trim().split(" ").filter(Boolean)) assert.ok(stdout.includes(option), `${command} ${option}`);
    }
  });

  it("states the exit codes that --help states", () => {
    const { stdout } = spawnSync(process.execPath, [MAIN, "--help"], { encoding: "utf8" });
    const line = /\*\*Exit codes\.\*\* (.*)$/m.exec(README)?.[1] ?? "";
    const codes = [...stdout.matchAll(/^ +(\d+) {2}\S/gm)].map((match) => match[1]);
    assert.deepEqual(
      [...line.matchAll(/(\d+) [a-z]/g)].map((match) => match[1]),
      codes,
    );
  });

  it("says of every protocol in the table whether it is available, as the configuration does", () => {
    for (const row of README.matchAll(/^\| (`[^|]*`) \| (now|not yet) \|/gm)) {
      for (const [, protocol = ""] of (row[1] ?? "").matchAll(/`(\w+)`/g)) {
        const tls = /^(?:https|h2)$/.test(protocol)
          ? ", tls: { certificates: [{ cert: certs/localhost.pem, key: certs/localhost-key.pem }] }"
          : "";
        const document = `listeners: [{ name: a, bind: "127.0.0.1:0", protocol: ${protocol}${tls} }]`;
        const result = parseConfig(document, join(directory, "windrose.yaml"));
        const isKnown = result.ok || !result.problems.some((problem) => problem.path.endsWith("protocol"));
        assert.equal(isKnown, row[2] === "now", protocol);
      }
    }
  });

  it("has npm scripts for every npm command it and CONTRIBUTING name", () => {
    const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
    const text = README + readFileSync("CONTRIBUTING.md", "utf8");
    const names = [...text.matchAll(/`?npm (?:run (\w+)|(start|test))/g)].map((match) => match[1] ?? match[2] ?? "");
    assert.ok(names.includes("start") && names.includes("bench"));
    for (const name of names) assert.ok(name in scripts, name);
  });

  for (const document of DOCUMENTS) {
    it(`links from ${document} only to files that exist`, () => {
      const text = readFileSync(document, "utf8");
      for (const [, target = ""] of text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
        if (!/^https?:/.test(target)) assert.ok(existsSync(join(dirname(document), target)), target);
      }
    });
  }

  it("gives systemd a unit whose commands exist", () => {
    const unit = fences(README, "ini")[0] ?? "";
    writeFileSync(
      join(directory, "windrose.yaml"),
      "listeners: [{ name: a, bind: 127.0.0.1:0, protocol: http }]\nroutes: [{ name: r, filters: [{ respond: { body: x } }] }]\n",
    );
    const checkLine = /^ExecStartPre=(.*)$/m.exec(unit)?.[1] ?? "";
    const [, , ...args] = checkLine.replace("/etc/windrose/", `${directory}/`).split(" ");
    const { status, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    assert.match(unit, /^ExecStart=\S+ \S+main\.js run -c \/etc\/windrose\/windrose\.yaml$/m);
  });
});
