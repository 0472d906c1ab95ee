/** Reload as users have it: a file is saved, a signal or an order comes, and traffic does not notice but for the new answers. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { get, type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { selfSigned } from "../support/certificates.js";
import { CONFIG_NAME, eventually, type Gateway, type GatewayOptions, startGateway } from "../support/gateway.js";
import { primaryOf } from "../support/processes.js";
import { startStreamingUpstream, type Upstream } from "../support/upstream.js";
import { openWebSocket, startWebSocketUpstream } from "../support/web-socket.js";

const TOKEN = "a-token-for-this-test";

const gateways: Gateway[] = [];
afterEach(async () => {
  await Promise.all(gateways.splice(0).map((gateway) => gateway.stop()));
});

async function start(yaml: string, options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await startGateway(yaml, options);
  gateways.push(gateway);
  return gateway;
}

function answering(text: string, more = ""): string {
  return `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }, { name: own, bind: "127.0.0.1:0", protocol: h2c }]
routes: [{ name: hello, filters: [{ respond: { body: "${text}" } }] }]
admin: { bind: "127.0.0.1:0", token: ${TOKEN} }
telemetry: { accessLog: { path: "off" } }
workers: 2
${more}`;
}

function textOf(gateway: Gateway, listener = "plain", path = "/"): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: "127.0.0.1", port: gateway.port(listener), path, agent: false }, (response) => {
      readText(response).then(resolve, reject);
    }).once("error", reject);
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk;
  return text;
}

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a JSON document whose shape the tests of the admin API check; here its values count
  readonly json: any;
}

async function ask(gateway: Gateway, method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(`${gateway.admin.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: await response.json() };
}

function save(gateway: Gateway, yaml: string, name = CONFIG_NAME): void {
  writeFileSync(join(gateway.directory, `${name}.new`), yaml);
  renameSync(join(gateway.directory, `${name}.new`), join(gateway.directory, name));
}

describe("a configuration that is saved", () => {
  it("is served by all workers and kinds of listeners; the same in other words changes nothing", async () => {
    const gateway = await start(answering("one"));
    save(gateway, answering("two"));
    for (const listener of ["plain", "own"]) await eventually(async () => (await textOf(gateway, listener)) === "two", "the new answer");
    for (let i = 0; i < 20; i++) assert.equal(await textOf(gateway), "two");
    const { version } = (await ask(gateway, "GET", "/v1/config/status")).json;
    save(gateway, `# a remark\n${answering("two")}`);
    await eventually(async () => (await ask(gateway, "GET", "/v1/config/status")).json.lastReload.outcome.result === "unchanged", "a look");
    const { json } = await ask(gateway, "GET", "/v1/config/status");
    assert.equal(json.version, version);
    assert.deepEqual(json.disk, { state: "same" });
    assert.equal((await ask(gateway, "GET", "/v1/versions")).json.versions.length, 2);
  });

  it("with problems is told of in the log, the metric and the admin API, and what was served stays", async () => {
    const gateway = await start(answering("one"));
    save(gateway, answering("two").replace("respond", "respnod"));
    await eventually(() => gateway.stderr().includes("configuration rejected"), "a line in the log");
    assert.match(gateway.stderr(), /"line":3,"column":37,"path":"routes\[0\]\.filters\[0\]/);
    assert.equal(await textOf(gateway), "one");
    const { json } = await ask(gateway, "GET", "/v1/config/status");
    assert.equal(json.disk.state, "broken");
    assert.equal(json.lastReload.outcome.result, "rejected");
    assert.equal(json.lastReload.outcome.problems[0].line, 3);
    const metrics = await fetch(`${gateway.admin.url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
    assert.match(await metrics.text(), /^windrose_snapshots_rejected_total 1$/m);
    save(gateway, answering("three"));
    await eventually(async () => (await textOf(gateway)) === "three", "the repaired one");
  });

  it("as a folder of files takes what comes and goes", async () => {
    const folder = mkdtempSync(join(tmpdir(), "windrose-folder-"));
    try {
      writeFileSync(join(folder, "10-base.yaml"), answering("one"));
      const gateway = await start("{}", { args: ["-c", folder] });
      writeFileSync(
        join(folder, "20-more.yaml"),
        "routes: [{ name: more, match: [{ path: { value: /more } }], filters: [{ respond: { body: more } }] }]\n",
      );
      await eventually(async () => (await textOf(gateway, "plain", "/more")) === "more", "the route of the new file");
      rmSync(join(folder, "20-more.yaml"));
      await eventually(async () => (await textOf(gateway, "plain", "/more")) === "one", "the route to go");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("through the links of a mounted ConfigMap", async () => {
    const folder = mkdtempSync(join(tmpdir(), "windrose-map-"));
    const swap = (generation: string, text: string): void => {
      mkdirSync(join(folder, generation));
      writeFileSync(join(folder, generation, "windrose.yaml"), answering(text));
      symlinkSync(generation, join(folder, "..data_tmp"));
      renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
    };
    try {
      swap("..2026_1", "one");
      symlinkSync("..data/windrose.yaml", join(folder, "windrose.yaml"));
      for (const [index, path] of [folder, join(folder, "windrose.yaml")].entries()) {
        const gateway = await start("{}", { args: ["-c", path] });
        swap(`..2026_${index}_a`, `first ${index}`);
        await eventually(async () => (await textOf(gateway)) === `first ${index}`, "the new generation");
        swap(`..2026_${index}_b`, `second ${index}`);
        await eventually(async () => (await textOf(gateway)) === `second ${index}`, "the one after");
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("that has become a pipe is refused, and blocks neither orders nor the end", async () => {
    const gateway = await start(answering("one"));
    const path = join(gateway.directory, CONFIG_NAME);
    execFileSync("mkfifo", [`${path}.pipe`]);
    renameSync(`${path}.pipe`, path);
    await eventually(() => gateway.stderr().includes("is not a regular file"), "the refusal");
    assert.equal((await ask(gateway, "GET", "/v1/config/status")).json.disk.state, "broken");
    save(gateway, answering("two"));
    await eventually(async () => (await textOf(gateway)) === "two", "the file that took its place");
  });

  it("points to a file that is renewed: what is served is loaded again, without the document being touched", async () => {
    const yaml = answering("one").replace('body: "one"', "body: { file: body.txt }");
    const gateway = await start(yaml, { files: { "body.txt": "first" } });
    assert.equal(await textOf(gateway), "first");
    save(gateway, "second", "body.txt");
    await eventually(async () => (await textOf(gateway)) === "second", "the new body");
    // It is told once every worker has it.
    await eventually(async () => (await ask(gateway, "GET", "/v1/versions")).json.versions[0].source === "file", "the new version");
  });
});

describe("a file that the configuration begins to point to", () => {
  it("may be renewed while workers are being replaced for it", async () => {
    const gateway = await start(answering("one"), { files: { "body.txt": "first" } });
    const more = 'listeners: [{ name: more, bind: "127.0.0.1:0", protocol: http }, ';
    save(gateway, answering("").replace('body: ""', "body: { file: body.txt }").replace("listeners: [", more));
    await eventually(() => gateway.stderr().includes("workers are replaced"), "the roll to begin");
    save(gateway, "second", "body.txt");
    await eventually(async () => (await textOf(gateway)) === "second", "the new body");
  });
});

describe("SIGHUP", () => {
  it("reads the configuration again, to the primary as to npm's child", async () => {
    const gateway = await start(answering("one"));
    save(gateway, answering("two"));
    gateway.process.kill("SIGHUP");
    await eventually(async () => (await textOf(gateway)) === "two", "the new answer");
    // The saved file may have its turn after a signal's, or with it.
    await eventually(async () => {
      const { json } = await ask(gateway, "GET", "/v1/config/status");
      if (json.lastReload?.trigger === "signal") return true;
      gateway.process.kill("SIGHUP");
      return false;
    }, "the signal's turn");
    assert.equal((await ask(gateway, "GET", "/v1/config/status")).json.lastReload.outcome.result, "unchanged");
  });
});

describe("the history", () => {
  it("goes back to a version, and says that the file says something else; the file wins when it is saved again", async () => {
    const gateway = await start(answering("one"));
    const first = (await ask(gateway, "GET", "/v1/versions")).json.versions[0].version;
    save(gateway, answering("two"));
    await eventually(async () => (await textOf(gateway)) === "two", "the new answer");
    const { status, json } = await ask(gateway, "POST", "/v1/rollback", { version: first.slice(0, 8), note: "it was better" });
    assert.equal(status, 200);
    assert.equal(json.result, "applied");
    assert.equal(await textOf(gateway), "one");
    const after = (await ask(gateway, "GET", "/v1/config/status")).json;
    assert.equal(after.source, "rollback");
    assert.equal(after.note, "it was better");
    assert.equal(after.disk.state, "differs");
    assert.match(after.disk.reason, /was rolled back to by admin/);
    save(gateway, answering("three"));
    await eventually(async () => (await textOf(gateway)) === "three", "the file");
    const versions = (await ask(gateway, "GET", "/v1/versions")).json.versions;
    assert.deepEqual(
      versions.map(({ source }: { source: string }) => source),
      ["file", "rollback", "file", "boot"],
    );
    const diff = await ask(gateway, "GET", `/v1/versions/${versions[0].version}/diff/${first}`);
    assert.deepEqual(
      diff.json.changes.map(({ kind, name }: { kind: string; name: string }) => `${kind}/${name}`),
      ["routes/hello"],
    );
  });

  it("survives a restart, and a gateway whose file is broken starts on it when it is told to", async () => {
    const folder = mkdtempSync(join(tmpdir(), "windrose-history-"));
    const path = join(folder, "gateway.yaml");
    const args = ["-c", path, "--state", join(folder, "kept")];
    try {
      writeFileSync(path, answering("good"));
      const first = await start("{}", { args });
      writeFileSync(path, answering("better"));
      await eventually(async () => (await ask(first, "GET", "/v1/versions")).json.versions.length === 2, "the change");
      killFamily(first.process.pid as number);
      await first.stop();
      writeFileSync(path, "listeners: [\n");
      await assert.rejects(start("{}", { args }), /exit code 78[\s\S]*nothing was started/);
      const second = await start("{}", { args: [...args, "--last-good"] });
      assert.equal(await textOf(second), "better");
      assert.match(second.stderr(), /WARNING: .*gateway\.yaml has \d+ problems?; serving version [0-9a-f]{16}/);
      const status = (await ask(second, "GET", "/v1/config/status")).json;
      assert.equal(status.source, "fallback");
      assert.equal(status.disk.state, "broken");
      writeFileSync(path, answering("repaired"));
      await eventually(async () => (await textOf(second)) === "repaired", "the repaired file");
    } finally {
      await Promise.all(gateways.splice(0).map((gateway) => gateway.stop()));
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("an order to apply", () => {
  it("serves texts, plans without serving them, and refuses what has problems", async () => {
    const gateway = await start(answering("one"));
    const texts = [{ name: "windrose.yaml", text: answering("two") }];
    const planned = await ask(gateway, "POST", "/v1/apply", { texts, isDryRun: true });
    assert.equal(planned.json.result, "planned");
    assert.equal(await textOf(gateway), "one");
    const applied = await ask(gateway, "POST", "/v1/apply", { texts, note: "try" });
    assert.equal(applied.json.result, "applied", JSON.stringify(applied.json));
    assert.equal(await textOf(gateway), "two");
    const again = await ask(gateway, "POST", "/v1/apply", { texts });
    assert.equal(again.json.result, "unchanged");
    const broken = await ask(gateway, "POST", "/v1/apply", { texts: [{ name: "windrose.yaml", text: "listeners: 1\n" }] });
    assert.equal(broken.status, 422);
    assert.equal(await textOf(gateway), "two");
  });

  it("moves the admin server without losing the answer to the order", async () => {
    const gateway = await start(answering("one"));
    const texts = [{ name: "windrose.yaml", text: answering("two").replace(TOKEN, "another-token-than-before") }];
    const { json } = await ask(gateway, "POST", "/v1/apply", { texts });
    assert.equal(json.result, "applied");
    assert.equal((await ask(gateway, "GET", "/v1/info")).status, 401);
    const info = await fetch(`${gateway.admin.url}/v1/info`, { headers: { authorization: "Bearer another-token-than-before" } });
    assert.equal(info.status, 200);
  });
});

describe("a guarded apply", () => {
  let upstream: Upstream;
  before(async () => {
    upstream = await startStreamingUpstream((_request, response) => response.end("fine"));
  });
  after(() => upstream.close());

  function proxying(port: number, extra = ""): string {
    return `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: app, backends: [{ service: app }]${extra} }]
services: [{ name: app, endpoints: { static: [{ address: "127.0.0.1:${port}" }] } }]
admin: { bind: "127.0.0.1:0", token: ${TOKEN} }
telemetry: { accessLog: { path: "off" } }
workers: 2
`;
  }

  async function guarded(gateway: Gateway, yaml: string, durationMs: number) {
    const guard = { durationMs, maxErrorRate: 0.02 };
    return await ask(gateway, "POST", "/v1/apply", { texts: [{ name: "windrose.yaml", text: yaml }], guard });
  }

  it("goes back by itself when the routes that it changed get worse", async () => {
    const gateway = await start(proxying(upstream.port));
    assert.equal(await textOf(gateway), "fine");
    const before = (await ask(gateway, "GET", "/v1/config/status")).json.version;
    const { json } = await guarded(gateway, proxying(1), 60_000);
    assert.equal(json.result, "applied", JSON.stringify(json));
    let isBack = false;
    while (!isBack) {
      await textOf(gateway);
      isBack = (await ask(gateway, "GET", "/v1/guard")).json.state === "rolledBack";
    }
    assert.equal(await textOf(gateway), "fine");
    const guard = (await ask(gateway, "GET", "/v1/guard")).json;
    assert.match(guard.reason, /^route app: \d+ % of \d+ requests failed, allowed are 2\.0 %$/);
    assert.equal((await ask(gateway, "GET", "/v1/config/status")).json.version, before);
    assert.match(gateway.stderr(), /guarded configuration goes back/);
  });

  it("goes back to what was served right before it, whatever was asked for at the same time and whatever file has gone", async () => {
    const gateway = await start(answering("one"), { files: { "body.txt": "two" } });
    const fromFile = answering("").replace('body: ""', "body: { file: body.txt }");
    const failing = answering("bad").replace("respond: {", "respond: { status: 503,");
    const [first, second] = await Promise.all([guarded(gateway, fromFile, 60_000), guarded(gateway, failing, 60_000)]);
    assert.equal(second.json.previous, first.json.version);
    rmSync(join(gateway.directory, "body.txt"));
    const states = new Set<string>();
    while (!states.has("rolledBack")) {
      await textOf(gateway);
      states.add((await ask(gateway, "GET", "/v1/guard")).json.state);
    }
    assert.deepEqual([...states], ["watching", "rolledBack"]);
    assert.equal(await textOf(gateway), "two");
    const { json } = await ask(gateway, "GET", "/v1/config/status");
    assert.equal(json.version, first.json.version);
    assert.deepEqual(json.lastReload.outcome.changes[0].fields[0], { path: "filters[0].respond.status", before: 503, after: 200 });
  });

  it("is watched on by the process that takes over after a crash or an upgrade", async () => {
    const failing = answering("bad").replace("respond: {", "respond: { status: 503,");
    for (const change of ["crash", "upgrade"]) {
      const gateway = await start(answering("one"));
      const { json } = await guarded(gateway, failing, 120_000);
      if (change === "upgrade") assert.equal((await ask(gateway, "POST", "/v1/upgrade")).status, 202);
      else process.kill(primaryOf(gateway), "SIGKILL");
      const state = async (): Promise<string> => (await ask(gateway, "GET", "/v1/guard").catch(() => null))?.json.state;
      await eventually(async () => (await state()) === "watching", `somebody to watch after the ${change}`);
      while ((await state()) !== "rolledBack") await textOf(gateway);
      assert.equal(await textOf(gateway), "one");
      const { versions } = (await ask(gateway, "GET", "/v1/versions")).json;
      assert.equal(versions[0].source, "guard");
      assert.equal(versions[0].version, json.previous);
    }
  });

  it("is kept when nothing gets worse, and ends when something else is served meanwhile", async () => {
    const gateway = await start(proxying(upstream.port));
    await guarded(gateway, proxying(upstream.port, ", timeouts: { request: 9s }"), 1_000);
    for (let i = 0; i < 10; i++) assert.equal(await textOf(gateway), "fine");
    await eventually(async () => (await ask(gateway, "GET", "/v1/guard")).json.state === "kept", "the guard's verdict");
    await guarded(gateway, proxying(upstream.port, ", timeouts: { request: 8s }"), 60_000);
    assert.equal((await ask(gateway, "GET", "/v1/guard")).json.state, "watching");
    save(gateway, proxying(upstream.port, ", timeouts: { request: 7s }"));
    await eventually(async () => (await ask(gateway, "GET", "/v1/guard")).json.state === "superseded", "the guard to notice");
  });
});

describe("an upgrade", () => {
  it("is told of truly to all who asked for it at once, by order or by signal", async () => {
    const gateway = await start(answering("one"));
    const asked = [1, 2, 3].map(() => ask(gateway, "POST", "/v1/upgrade"));
    await eventually(() => gateway.stderr().includes("starting a new primary"), "the upgrade to begin");
    gateway.process.kill("SIGUSR2");
    const answers = await Promise.all(asked);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [202, 202, 202],
      JSON.stringify(answers),
    );
    assert.equal(new Set(answers.map(({ json }) => json.pid)).size, 1);
  });

  it("loses no configuration that was answered for while it was under way", async () => {
    const gateway = await start(answering("first"));
    let isUpgrading = true;
    const upgraded = ask(gateway, "POST", "/v1/upgrade").finally(() => {
      isUpgrading = false;
    });
    let accepted = "first";
    for (let i = 0; isUpgrading; i++) {
      const text = `text ${i}`;
      const order = { texts: [{ name: CONFIG_NAME, text: answering(text) }] };
      // Refused, or nobody there for a moment: whoever asks knows that it is not served.
      const answer = await ask(gateway, "POST", "/v1/apply", order).catch(() => null);
      if (answer?.status === 200) accepted = text;
      else assert.ok(answer === null || answer.status === 503, JSON.stringify(answer));
    }
    assert.equal((await upgraded).status, 202);
    await eventually(async () => (await textOf(gateway)) === accepted, `the answer "${accepted}"`);
    const { versions } = (await ask(gateway, "GET", "/v1/versions")).json;
    const { json } = await ask(gateway, "GET", "/v1/config/status");
    assert.equal(versions[0].version, json.version);
    assert.deepEqual(
      versions.map((version: { readonly sequence: number }) => version.sequence),
      Array.from({ length: versions.length }, (_, i) => versions[0].sequence - i),
    );
  });
});

describe("what is open during a reload", () => {
  it("does not notice a change of routes: WebSockets, slow answers, and connections", async () => {
    const service = await startWebSocketUpstream();
    const slow = await startStreamingUpstream((_request, response) => {
      response.write("begin ");
      release.push(() => response.end("end"));
    });
    const release: (() => void)[] = [];
    const yaml = (more: string): string => `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }, { name: own, bind: "127.0.0.1:0", protocol: h2c }]
routes:
  - { name: sockets, match: [{ path: { value: /ws } }], backends: [{ service: sockets }] }
  - { name: slow, match: [{ path: { value: /slow } }], backends: [{ service: slow }] }
${more}
services:
  - { name: sockets, endpoints: { static: [{ address: "${service.address}" }] } }
  - { name: slow, endpoints: { static: [{ address: "127.0.0.1:${slow.port}" }] } }
admin: { bind: "127.0.0.1:0", token: ${TOKEN} }
workers: 2
`;
    try {
      const gateway = await start(yaml(""));
      const sockets = await Promise.all(
        Array.from({ length: 200 }, (_, i) => openWebSocket(`ws://127.0.0.1:${gateway.port(i % 2 === 0 ? "plain" : "own")}/ws`)),
      );
      const answers = ["plain", "own"].map((listener) => textOf(gateway, listener, "/slow"));
      await eventually(() => release.length === 2, "both slow answers");
      for (let i = 0; i < 20; i++) {
        const { json } = await ask(gateway, "POST", "/v1/apply", {
          texts: [
            { name: "windrose.yaml", text: yaml(`  - { name: r${i}, match: [{ path: { value: /r${i} } }], filters: [{ respond: {} }] }`) },
          ],
        });
        assert.equal(json.result, "applied");
        assert.equal(json.hasRolled, false);
      }
      for (const end of release) end();
      assert.deepEqual(await Promise.all(answers), ["begin end", "begin end"]);
      for (const { socket } of sockets) socket.send("still here");
      await Promise.all(sockets.map((noted) => noted.untilMessages(1)));
      for (const { socket } of sockets) socket.terminate();
    } finally {
      await slow.close();
      await service.close();
    }
  });

  it("does not lose a request when workers are replaced: a listener comes, a certificate changes", async () => {
    const upstream = await startStreamingUpstream((incoming, response) => incoming.pipe(response));
    const yaml = (more: string): string => `
listeners:
  - { name: plain, bind: "127.0.0.1:0", protocol: http }
${more}
routes: [{ name: all, listeners: [plain], backends: [{ service: echo }] }]
services: [{ name: echo, endpoints: { static: [{ address: "127.0.0.1:${upstream.port}" }] } }]
admin: { bind: "127.0.0.1:0", token: ${TOKEN} }
workers: 2
`;
    const pair = selfSigned("localhost");
    try {
      const gateway = await start(yaml(""), { files: { "a.pem": pair.cert, "a-key.pem": pair.key } });
      const results = { ok: 0, failed: [] as string[] };
      let isOver = false;
      const clients = Array.from({ length: 8 }, async () => {
        while (!isOver) {
          try {
            assert.equal(await echo(gateway.port("plain")), "ping");
            results.ok++;
          } catch (error) {
            results.failed.push((error as Error).message);
          }
        }
      });
      const listener = (name: string): string => `  - { name: ${name}, bind: "127.0.0.1:0", protocol: h2c }\n`;
      const secure = '  - { name: tls, bind: "127.0.0.1:0", protocol: https, tls: { certificates: [{ cert: a.pem, key: a-key.pem }] } }\n';
      for (const more of [listener("one"), listener("one") + listener("two"), secure]) {
        const { json } = await ask(gateway, "POST", "/v1/apply", { texts: [{ name: "windrose.yaml", text: yaml(more) }] });
        assert.equal(json.result, "applied", JSON.stringify(json));
        assert.equal(json.hasRolled, true);
      }
      const renewed = selfSigned("localhost");
      save(gateway, renewed.key, "a-key.pem");
      save(gateway, renewed.cert, "a.pem");
      await eventually(async () => {
        const { outcome } = (await ask(gateway, "GET", "/v1/config/status")).json.lastReload;
        return outcome.result === "applied" && outcome.hasRolled && outcome.changes[0]?.name === "tls";
      }, "the renewed certificate");
      isOver = true;
      await Promise.all(clients);
      assert.deepEqual(results.failed, [], `${results.ok} requests were answered`);
      assert.ok(results.ok > 100);
    } finally {
      await upstream.close();
    }
  });
});

/** The process and all that it has started, at once. */
function killFamily(pid: number): void {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean);
  process.kill(pid, "SIGSTOP");
  for (const child of children) killFamily(Number(child));
  process.kill(pid, "SIGKILL");
}

/** On a kept connection. */
function echo(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host: "127.0.0.1", port, method: "POST", headers: { "content-length": 4 } }, (response) => {
      readText(response).then(resolve, reject);
    });
    call.once("error", reject).end("ping");
  });
}
