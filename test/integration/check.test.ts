/** `windrose check` as a user runs it: exit codes, what goes to which stream, and nothing secret on either. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";

const directory = mkdtempSync(join(tmpdir(), "windrose-check-"));
after(() => rmSync(directory, { recursive: true, force: true }));

// The command itself, without the program around it.
const program = join(directory, "run.mjs");
const module = pathToFileURL(join(import.meta.dirname, "../../src/cli/check.js")).href;
writeFileSync(program, `import { check } from ${JSON.stringify(module)};\nprocess.exitCode = await check(process.argv.slice(2));\n`);

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [program, ...args],
      { cwd: directory, env: { PATH: process.env["PATH"] ?? "", ...env } },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      },
    );
  });
}

function write(name: string, text: string): string {
  writeFileSync(join(directory, name), text);
  return name;
}

const GOOD = `
listeners: [{ name: public, bind: "127.0.0.1:8080", protocol: http }]
services: [{ name: s, endpoints: { static: [{ address: "127.0.0.1:1" }] } }]
routes: [{ name: r, backends: [{ service: s }] }]
admin: { token: "\${TOKEN}" }
`;
const TOKEN = "0123456789-very-secret-0123456789";

test("a good configuration gives one line and exit code 0", async () => {
  const { code, stdout, stderr } = await run([write("good.yaml", GOOD)], { TOKEN });
  assert.equal(code, 0);
  assert.match(stdout, /^✓ good\.yaml is good: 1 listener, 1 route, 1 service \(version [0-9a-f]{16}\)\n$/);
  assert.equal(stderr, "");
});

test("problems go to stderr, all of them, with exit code 78", async () => {
  const { code, stdout, stderr } = await run([write("bad.yaml", `${GOOD}drian: {}\nworkers: none\n`)]);
  assert.equal(code, 78);
  assert.equal(stdout, "");
  assert.deepEqual(stderr.trimEnd().split("\n"), [
    "bad.yaml:5:17 admin.token environment variable TOKEN is not set (set it, or write a default: ${TOKEN:-…})",
    'bad.yaml:6:1 drian is not a known key (did you mean "drain"?)',
    "bad.yaml:7:10 workers expected auto or a number",
    "✗ bad.yaml does not compile: 3 problems",
  ]);
});

test("warnings are shown and do not fail", async () => {
  const { code, stdout, stderr } = await run([write("warn.yaml", GOOD)], { TOKEN: "short" });
  assert.equal(code, 0);
  assert.match(stderr, /^warn\.yaml:5:17 admin\.token warning: is short enough to be guessed/);
  assert.match(stdout, /1 service, 1 warning/);
});

test("--print shows the effective configuration without secrets, as a document that checks again", async () => {
  const { code, stdout } = await run(["--print", write("print.yaml", GOOD)], { TOKEN });
  assert.equal(code, 0);
  assert.match(stdout, /maxHeaderBytes: 16KiB/);
  assert.match(stdout, /token: "\[redacted\]"/);
  assert.equal(stdout.includes(TOKEN), false);
  const again = await run([write("again.yaml", stdout.replace("[redacted]", "0123456789abcdef"))]);
  assert.equal(again.code, 0, again.stderr);
});

test("--json is for scripts", async () => {
  const good = await run(["--json", write("json.yaml", GOOD)], { TOKEN });
  const data = JSON.parse(good.stdout) as Record<string, unknown>;
  assert.deepEqual([good.code, data["ok"], data["routes"], data["warnings"]], [0, true, 1, []]);
  const bad = await run(["--json", write("json.yaml", "listeners: 5\n")]);
  const { ok, problems } = JSON.parse(bad.stdout) as { ok: boolean; problems: unknown[] };
  assert.deepEqual(
    [bad.code, ok, problems],
    [
      78,
      false,
      [
        {
          file: "json.yaml",
          line: 1,
          column: 12,
          path: "listeners",
          message: "expected a list, got a number",
          severity: "error",
          hint: "write it in brackets, or as lines that begin with a dash",
        },
      ],
    ],
  );
});

/** Some versions of Node.js say of themselves that one of the two variables wins. */
const QUIET_NODE = { NODE_NO_WARNINGS: "1" };

test("problems are coloured when that is wished for, and a document cannot colour anything", async () => {
  const text = `${GOOD}"dr\\e[31mian": {}\nworkers: none\n`;
  const forced = await run([write("colour.yaml", text)], { TOKEN: "short", FORCE_COLOR: "1" });
  const lines = forced.stderr.trimEnd().split("\n");
  assert.ok(
    lines.includes("\u001b[1mcolour.yaml:7:10\u001b[22m \u001b[36mworkers\u001b[39m \u001b[31mexpected auto or a number\u001b[39m"),
    forced.stderr,
  );
  assert.ok(lines.some((line) => line.includes("\u001b[31m✗\u001b[39m colour.yaml does not compile")));
  const plain = await run([write("colour.yaml", text)], { TOKEN: "short", FORCE_COLOR: "1", NO_COLOR: "1", ...QUIET_NODE });
  assert.equal(plain.stderr.includes("\u001b"), false);
  // Without its colours, a line is the same line.
  assert.equal(forced.stderr.replaceAll(/\u001b\[\d+m/g, ""), plain.stderr);
  const warned = await run([write("colour.yaml", GOOD)], { TOKEN: "short", FORCE_COLOR: "1" });
  assert.match(warned.stderr, /\u001b\[33mwarning:\u001b\[39m is short enough/);
});

test("wrong usage says so with exit code 64", async () => {
  for (const args of [
    [],
    ["--bogus", "a.yaml"],
    ["a.yaml", "b.yaml"],
    ["--json", "--print", "a.yaml"],
    ["--write-schema", "x", "a.yaml"],
    ["--write-schema"],
  ]) {
    const { code, stdout, stderr } = await run(args);
    assert.deepEqual([code, stdout], [64, ""], args.join(" "));
    assert.match(stderr, /^windrose check: .+\nTry: windrose check --help\n$/);
  }
});

test("--help explains itself", async () => {
  const { code, stdout } = await run(["--help"]);
  assert.equal(code, 0);
  assert.match(stdout, /^Usage: windrose check CONFIG /);
});

test("--write-schema writes the checked-in schema", async () => {
  const { code } = await run(["--write-schema", "schema.json"]);
  assert.equal(code, 0);
  assert.equal(readFileSync(join(directory, "schema.json"), "utf8"), readFileSync("config/windrose.schema.json", "utf8"));
  assert.equal((await run(["--write-schema", "no/such/folder.json"])).code, 73);
});
