/** From files to a snapshot: directories, merging, versions, immutability. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { formatProblem, loadConfig, parseConfig } from "../../../src/config/index.js";
import { accept, BACKENDS, httpsDocument, MINIMAL, makeCertificate, problemsOf, temporaryDirectory, withRoute } from "./fixtures.js";

const SERVICE = 'services: [{ name: s, endpoints: { static: [{ address: "a:1" }] } }]\n';

function problemsIn(directory: string): string[] {
  return problemsOf(loadConfig(directory, { env: {} })).map((problem) => formatProblem(problem).replaceAll(`${directory}/`, ""));
}

test("a directory's files are merged in name order: lists join, maps merge", (context) => {
  const directory = temporaryDirectory(context, {
    "20-b.yml":
      "routes:\n  - { name: second, match: [{ path: { value: /b } }], backends: [{ service: s }] }\ntelemetry: { accessLog: { path: stderr } }\n",
    "10-a.yaml": `${MINIMAL}${SERVICE}routes:\n  - { name: first, backends: [{ service: s }] }\ntelemetry: { accessLog: { sample: 0.5 } }\n`,
    "notes.txt": "{ not yaml",
    ".hidden.yaml": "{ not yaml",
    "sub/inner.yaml": "{ not yaml",
  });
  const result = loadConfig(directory, { env: {} });
  assert.ok(result.ok, problemsIn(directory).join("\n"));
  assert.deepEqual(
    result.snapshot.routes.map((route) => route.name),
    ["first", "second"],
  );
  assert.deepEqual(result.snapshot.telemetry.accessLog, { path: "stderr", sample: 0.5 });
});

test("problems of a directory name the file they are in", (context) => {
  const directory = temporaryDirectory(context, {
    "a.yaml": `${MINIMAL}routes:\n  - { name: one, backends: [{ service: nope }] }\n`,
    "b.yaml": "\n\nroutes:\n  - { name: one, colour: red, filters: [{ respond: {} }] }\n",
  });
  assert.deepEqual(problemsIn(directory), [
    'a.yaml:5:40 routes[0].backends[0].service there is no service named "nope"',
    'b.yaml:4:13 routes[1].name the name "one" is taken (the first is at a.yaml:5)',
    "b.yaml:4:18 routes[1].colour is not a known key (known here: name, listeners, hostnames, match, filters, backends, timeouts, retry)",
  ]);
});

test("two files that disagree on a value are a problem, two that agree are not", (context) => {
  const directory = temporaryDirectory(context, {
    "a.yaml": `${MINIMAL}workers: 1\ndrain: { timeout: 5s }\n`,
    "b.yaml": "workers: 2\ndrain: { timeout: 5s }\n",
  });
  assert.deepEqual(problemsIn(directory), ["b.yaml:1:10 workers has another value at a.yaml:4 (keep it in one of the files)"]);
  writeFileSync(join(directory, "b.yaml"), "workers: [1]\n");
  assert.match(problemsIn(directory)[0] ?? "", /b\.yaml:1:10 workers is a list here and a scalar at a\.yaml:4/);
});

test("a broken file does not make its neighbours look broken", (context) => {
  const directory = temporaryDirectory(context, {
    "a.yaml": `${MINIMAL}routes: [{ name: r, backends: [{ service: s }] }]\n`,
    "b.yaml": "services: [\n",
  });
  const problems = problemsIn(directory);
  assert.ok(problems.length > 0 && problems.every((problem) => problem.startsWith("b.yaml:")), problems.join("\n"));
});

test("empty files in a directory are skipped, an empty document is a problem", (context) => {
  const directory = temporaryDirectory(context, { "a.yaml": MINIMAL, "b.yaml": "# later\n" });
  assert.ok(loadConfig(directory, { env: {} }).ok);
  assert.deepEqual(problemsOf(parseConfig("# nothing\n", "x.yaml")).map(formatProblem), ["x.yaml is empty"]);
  writeFileSync(join(directory, "a.yaml"), "");
  assert.match(problemsIn(directory)[0] ?? "", /is empty/);
});

test("what cannot be read is a problem and not an exception", (context) => {
  const directory = temporaryDirectory(context, { "latin1.yaml": "", "empty/readme.txt": "" });
  writeFileSync(join(directory, "latin1.yaml"), Buffer.from([0x61, 0x3a, 0x20, 0xe4]));
  assert.match(problemsIn(join(directory, "nowhere.yaml"))[0] ?? "", /cannot be read: no such file or directory/);
  assert.match(problemsIn(join(directory, "empty"))[0] ?? "", /holds no \*\.yaml or \*\.yml file/);
  assert.match(problemsIn(join(directory, "latin1.yaml"))[0] ?? "", /is not valid UTF-8/);
});

test("what never ends is too large, and a pipe is a file like others", async (context) => {
  assert.match(problemsIn("/dev/zero")[0] ?? "", /^\/dev\/zero is larger than 32 MiB/);
  const directory = temporaryDirectory(context);
  const pipe = join(directory, "pipe.yaml");
  if (spawnSync("mkfifo", [pipe]).status !== 0) return;
  const writer = spawn("sh", ["-c", 'printf %s "$1" > "$2"', "sh", MINIMAL, pipe], { stdio: "ignore" });
  const result = loadConfig(pipe, { env: {} });
  await once(writer, "close");
  assert.ok(result.ok);
});

test("a byte order mark is ignored", (context) => {
  const directory = temporaryDirectory(context, { "a.yaml": `\uFEFF${MINIMAL}` });
  assert.ok(loadConfig(join(directory, "a.yaml"), { env: {} }).ok);
  accept(`\uFEFF${MINIMAL}`);
});

test("equal documents have equal versions: comments, key order, anchors and place make no difference", () => {
  const a = withRoute(`${BACKENDS}    timeouts: { request: 60s, backendRequest: 1s }\n`);
  const b = `# the same\n${withRoute("    timeouts: { backendRequest: 1000ms, request: 1m }\n    backends: [{ weight: 1, service: &s orders }]\n")}`;
  const version = accept(a).snapshot.version;
  assert.match(version, /^[0-9a-f]{16}$/);
  assert.equal(accept(b, { fileName: "elsewhere/other.yaml" }).snapshot.version, version);
});

test("a difference that matters makes another version", () => {
  const versions = ["", "    timeouts: { request: 1s }\n", "    hostnames: [a.example]\n", "    retry: { attempts: 0 }\n"].map(
    (rest) => accept(withRoute(BACKENDS + rest)).snapshot.version,
  );
  versions.push(
    accept(`${MINIMAL}workers: 7\n`).snapshot.version,
    accept(MINIMAL).snapshot.version,
    accept(`${MINIMAL}admin: { token: 01234567890123456789x }\n`).snapshot.version,
  );
  assert.equal(new Set(versions).size, versions.length);
});

test("the order of routes is part of the version where it decides ties, and only there", () => {
  const version = (...names: string[]) => accept(`${MINIMAL}routes:\n${names.join("")}`).snapshot.version;
  const route = (name: string, more = "") => `  - { name: ${name}, filters: [{ respond: {} }]${more} }\n`;
  const differs = (a: string, b: string) => version(a, b) !== version(b, a);
  const match = (text: string) => `, match: [{ ${text} }]`;
  assert.equal(differs(route("a"), route("b")), true);
  assert.equal(differs(route("a"), route("b", ", hostnames: [b.example]")), false);
  assert.equal(differs(route("a", ", hostnames: [A.example]"), route("b", ", hostnames: [b.example, a.example]")), true);
  assert.equal(differs(route("a"), route("b", match("path: { value: /b }"))), false);
  assert.equal(differs(route("a", match("path: { value: /b/ }")), route("b", match("path: { value: /b }"))), true);
  assert.equal(differs(route("a", match("path: { type: Exact, value: /b }")), route("b", match("path: { value: /b }"))), false);
  assert.equal(differs(route("a", match("methods: [GET]")), route("b", match("methods: [POST]"))), false);
  assert.equal(differs(route("a", match("methods: [GET, PUT]")), route("b", match("methods: [POST, PUT]"))), true);
  assert.equal(differs(route("a", match("methods: [GET]")), route("b")), false);
  assert.equal(differs(route("a", match("headers: [{ name: x, value: y }]")), route("b")), false);
});

test("other orders are no part of the version", () => {
  const listener = (name: string, port: number) => `  - { name: ${name}, bind: "127.0.0.1:${port}", protocol: http }\n`;
  const service = (name: string) => `  - { name: ${name}, endpoints: { static: [{ address: "127.0.0.1:1" }] } }\n`;
  const routes = "routes: [{ name: r, backends: [{ service: a }, { service: b }] }]\n";
  const a = `listeners:\n${listener("a", 1)}${listener("b", 2)}services:\n${service("a")}${service("b")}${routes}`;
  const b = `listeners:\n${listener("b", 2)}${listener("a", 1)}services:\n${service("b")}${service("a")}${routes}`;
  assert.equal(accept(a).snapshot.version, accept(b).snapshot.version);
});

test("a renewed certificate under the same path makes another version", (context) => {
  const versions = [2051, 2052].map((year) => {
    const { cert, key } = makeCertificate(["a.example"], { notAfter: new Date(`${year}-01-01T00:00:00Z`) });
    const directory = temporaryDirectory(context, { "w.yaml": httpsDocument(), "0.pem": cert, "0-key.pem": key });
    const result = loadConfig(join(directory, "w.yaml"), { env: {} });
    return result.ok ? result.snapshot.version : "";
  });
  assert.notEqual(versions[0], versions[1]);
});

test("a snapshot is frozen all the way down and survives serialisation", () => {
  const { snapshot } = accept(withRoute(`${BACKENDS}    filters: [{ requestHeaders: { set: { x-a: "1" } } }]\n`));
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    assert.ok(Object.isFrozen(value));
    for (const child of Object.values(value)) visit(child);
  };
  visit(snapshot);
  assert.deepEqual(JSON.parse(JSON.stringify(snapshot)), snapshot);
});

test("text becomes numbers and canonical names on the way into the snapshot", () => {
  const route = `${BACKENDS}    hostnames: [API.Example.com, "*.Example.com"]
    match:
      - path: { type: PathPrefix, value: /orders/ }
        methods: [GET]
        headers: [{ name: X-Beta, value: "é" }]
        queryParams: [{ name: Q, value: "é" }]
      - path: { type: Exact, value: /orders/ }
    timeouts: { request: 1h30m, backendRequest: 250ms }
`;
  const [compiled] = accept(withRoute(route)).snapshot.routes;
  assert.deepEqual(compiled?.hostnames, ["api.example.com", "*.example.com"]);
  assert.deepEqual(compiled.match, [
    {
      path: { type: "PathPrefix", value: "/orders" },
      methods: ["GET"],
      headers: [{ name: "x-beta", value: "Ã©" }],
      query: [{ name: "Q", value: "é" }],
    },
    { path: { type: "Exact", value: "/orders/" }, methods: [], headers: [], query: [] },
  ]);
  assert.deepEqual(compiled.timeouts, { requestMs: 5_400_000, backendRequestMs: 250 });
});

test("a file for the access log is taken from the document's directory", (context) => {
  const directory = temporaryDirectory(context, { "w.yaml": `${MINIMAL}telemetry: { accessLog: { path: logs/access.json } }` });
  const result = loadConfig(join(directory, "w.yaml"), { env: {} });
  assert.equal(result.ok ? result.snapshot.telemetry.accessLog.path : "", join(directory, "logs/access.json"));
});

test("a filter's text may come from a file", (context) => {
  const text = `${MINIMAL}routes:
  - name: page
    filters:
      - responseHeaders: { set: { x-key: { file: key.txt }, file: plain } }
      - respond: { body: { file: page.txt } }
`;
  const directory = temporaryDirectory(context, { "w.yaml": text, "page.txt": "Hello\nyou\n", "key.txt": "abc\n" });
  const result = loadConfig(join(directory, "w.yaml"), { env: {} });
  assert.ok(result.ok, problemsIn(join(directory, "w.yaml")).join("\n"));
  const [headers, respond] = result.snapshot.routes[0]?.filters ?? [];
  assert.deepEqual((headers?.config as { set: unknown } | undefined)?.set, { "x-key": "abc", file: "plain" });
  assert.equal((respond?.config as { body: unknown } | undefined)?.body, "Hello\nyou\n");
  writeFileSync(join(directory, "w.yaml"), text.replace("page.txt", "gone.txt"));
  assert.match(problemsIn(join(directory, "w.yaml"))[0] ?? "", /respond\.body\.file cannot read "gone\.txt": no such file/);
});

test("10,000 routes compile without quadratic surprises", () => {
  const routes = Array.from(
    { length: 10_000 },
    (_, i) => `  - { name: r${i}, match: [{ path: { value: /r${i} } }], backends: [{ service: s }] }`,
  );
  const startedAt = performance.now();
  const { snapshot } = accept(`${MINIMAL}${SERVICE}routes:\n${routes.join("\n")}\n`);
  assert.equal(snapshot.routes.length, 10_000);
  // A few seconds at most, nearly all of it YAML parsing; the limit only has to catch what grows with the square.
  assert.ok(performance.now() - startedAt < 15_000);
});
