/** The commands that speak to a running gateway, as operators call them: what they print, where, and their exit codes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { get, type IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { eventually, type Gateway, MAIN, startGateway, watchProcess } from "../support/gateway.js";
import { startStreamingUpstream, type Upstream } from "../support/upstream.js";

const [ADMIN, READER] = ["admin-0123456789abcdef", "reader-0123456789abcdef"];

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let folder: string;
let socket: string;
let upstream: Upstream;
let gateway: Gateway;
let isFailing = false;

async function windrose(args: readonly string[], options: { env?: Record<string, string>; input?: string } = {}): Promise<Ran> {
  const env = { ...process.env, WINDROSE_ADMIN: `unix:${socket}`, WINDROSE_ADMIN_TOKEN: "", NO_COLOR: "1", ...options.env };
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["pipe", "pipe", "pipe"], env });
  child.stdin.end(options.input ?? "");
  return await watchProcess(child).exit;
}

function document(more = "", routeMore = ""): string {
  return `
listeners: [{ name: public, bind: "127.0.0.1:0", protocol: http }]
routes:
  - { name: shop, backends: [{ service: shop }]${routeMore} }
services: [{ name: shop, endpoints: { static: [{ address: "127.0.0.1:${upstream.port}" }] } }]
admin:
  bind: 127.0.0.1:0
  token: ${ADMIN}
  tokens: [{ name: grafana, token: ${READER} }]
  socket: ${socket}
telemetry: { accessLog: { path: "off" } }
workers: 1
${more}`;
}

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const serving = async (): Promise<string> => JSON.parse((await windrose(["status", "--json"])).stdout).configuration.version;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "windrose-live-"));
  socket = join(folder, "admin.sock");
  upstream = await startStreamingUpstream((_request, response) => response.writeHead(isFailing ? 500 : 200).end("shop"));
  gateway = await startGateway(document());
});

after(async () => {
  await gateway.stop();
  await upstream.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("commands against a running gateway", () => {
  it("status says what is served, from where, and how the workers are", async () => {
    const { code, stdout, stderr } = await windrose(["status"]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^gateway {6}windrose \S+ at unix:\S+admin\.sock, up /m);
    assert.match(stdout, /^ready {8}yes$/m);
    assert.match(stdout, /^serving {6}[0-9a-f]{12} \(#1\) since \S+ ago, from boot /m);
    assert.match(stdout, /^on disk {6}the same$/m);
    assert.match(stdout, /^workers {6}1 of 1 ready$/m);
    assert.match(stdout, new RegExp(`^public +ingress +http +127\\.0\\.0\\.1:${gateway.port("public")}$`, "m"));
    const { configuration, info, guard, readiness } = JSON.parse((await windrose(["status", "--json"])).stdout);
    assert.deepEqual([configuration.disk, guard, readiness.isReady, info.workers.length], [{ state: "same" }, { state: "idle" }, true, 1]);
  });

  it("reload of the same is no change", async () => {
    const { code, stdout } = await windrose(["reload"]);
    assert.equal(code, 0);
    assert.match(stdout, /^= [0-9a-f]{12} is being served already$/m);
  });

  it("a dry run shows what would change and changes nothing", async () => {
    const served = await serving();
    const path = write("next.yaml", document("", ", timeouts: { request: 9s }"));
    const { code, stdout } = await windrose(["apply", path, "--dry-run"]);
    assert.equal(code, 0);
    assert.match(stdout, /^~ routes\/shop\n +timeouts\.request {2}\S+ → 9s\n\? [0-9a-f]{12} would change 1 object$/m);
    assert.equal(await serving(), served);
  });

  it("apply, history and rollback go together; what comes in may be a file, a folder or standard input", async () => {
    const first = await serving();
    const applied = await windrose([
      "apply",
      write("next.yaml", document("", ", timeouts: { request: 8s }")),
      "--note",
      "slower shop",
      "--json",
    ]);
    assert.equal(applied.code, 0, applied.stderr);
    const { version, previous } = JSON.parse(applied.stdout);
    assert.equal(previous, first);
    const piped = await windrose(["apply", "-"], { input: document("", ", timeouts: { request: 7s }") });
    assert.equal(piped.code, 0, piped.stderr);
    const parts = mkdtempSync(join(folder, "parts-"));
    writeFileSync(join(parts, "10-base.yaml"), document("", ", timeouts: { request: 6s }"));
    writeFileSync(
      join(parts, "20-more.yaml"),
      "routes: [{ name: more, match: [{ path: { value: /more } }], filters: [{ respond: { body: more } }] }]\n",
    );
    const several = await windrose(["apply", parts]);
    assert.equal(several.code, 0, several.stderr);
    assert.match(several.stdout, /^\+ routes\/more$/m);
    const history = await windrose(["history"]);
    assert.match(history.stdout, /^\* +4 /m);
    assert.match(history.stdout, new RegExp(`^ +2 +${version.slice(0, 12)} .* admin +socket +slower shop$`, "m"));
    assert.equal(JSON.parse((await windrose(["history", "-n", "2", "--json"])).stdout).versions.length, 2);
    const back = await windrose(["rollback", first.slice(0, 6), "--note", "enough"]);
    assert.equal(back.code, 0, back.stderr);
    assert.match(back.stdout, /^- routes\/more$/m);
    assert.equal(await serving(), first);
    assert.match((await windrose(["status"])).stdout, /from rollback by socket: enough/);
    const nothing = await windrose(["rollback", "ffff0000"]);
    assert.equal(nothing.code, 1);
    assert.match(nothing.stderr, /refused with 404: There is no such version: /);
  });

  it("problems of what is applied are listed with their places, and nothing changes", async () => {
    const served = await serving();
    const bad = await windrose(["apply", write("bad.yaml", document().replace("service: shop", "service: shpo"))]);
    assert.deepEqual([bad.code, bad.stdout], [78, ""]);
    assert.match(bad.stderr, /bad\.yaml:4:\d+ routes\[0\]\.backends\[0\]\.service .*did you mean "shop"/);
    assert.match(bad.stderr, /windrose apply: unix:\S+ refused with 422: The configuration has problems\n$/);
    const asJson = await windrose(["apply", join(folder, "bad.yaml"), "--json"]);
    assert.equal(JSON.parse(asJson.stdout).problems[0].line, 4);
    assert.equal(await serving(), served);
    const missing = await windrose(["apply", join(folder, "nowhere.yaml")]);
    assert.deepEqual([missing.code, missing.stdout], [78, ""]);
    assert.match(missing.stderr, /nowhere\.yaml cannot be read: no such file/);
  });

  it("a guarded apply that is well is kept: 0", async () => {
    const { code, stdout } = await windrose(["apply", write("next.yaml", document("", ", timeouts: { request: 5s }")), "--guard", "1s"]);
    assert.equal(code, 0);
    assert.match(stdout, /^ {2}shop +0 +0% /m);
    assert.match(stdout, /^[0-9a-f]{12} was kept$/m);
    await windrose(["rollback", "1"]);
  });

  it("a guarded apply that makes things worse is rolled back: 1, with the reason", async () => {
    const served = await serving();
    await request();
    const path = write("worse.yaml", document("", ", timeouts: { request: 4s }"));
    isFailing = true;
    const applying = windrose(["apply", path, "--guard", "60s", "--max-error-rate", "10%", "--json"]);
    try {
      await eventually(async () => (await serving()) !== served, "it is served");
      await eventually(async () => {
        await request();
        return (await serving()) === served;
      }, "it is rolled back");
    } finally {
      isFailing = false;
    }
    const { code, stdout } = await applying;
    assert.equal(code, 1);
    const { result, guard } = JSON.parse(stdout);
    assert.deepEqual([result, guard.state, guard.failure], ["applied", "rolledBack", null]);
    assert.match(guard.reason, /^route shop: /);
  });

  it("roles: a reader sees and may not change, a stranger neither", async () => {
    const tokenFile = write("token", `${READER}\n`);
    const asReader = ["--admin", gateway.admin.url, "--token-file", tokenFile];
    assert.equal((await windrose(["status", ...asReader])).code, 0);
    const refused = await windrose(["reload", ...asReader]);
    assert.deepEqual([refused.code, refused.stdout], [77, ""]);
    assert.match(refused.stderr, /403: This token may only read: "grafana" has the role read/);
    const stranger = await windrose(["status", "--admin", gateway.admin.url], { env: { WINDROSE_ADMIN_TOKEN: "wrong" } });
    assert.equal(stranger.code, 77);
    const writer = await windrose(["reload", "--admin", gateway.admin.url], { env: { WINDROSE_ADMIN_TOKEN: ADMIN } });
    assert.equal(writer.code, 0, writer.stderr);
  });

  it("explain-token prints the value alone, and who bears it is told why", async () => {
    const { code, stdout, stderr } = await windrose(["explain-token", "--ttl", "1m"]);
    assert.equal(code, 0);
    assert.match(stdout, /^\S+\n$/);
    assert.match(stderr, /^valid until \d{4}-\d\d-\d\dT\S+Z\n$/);
    const told = await request({ "x-windrose-explain": stdout.trim() });
    assert.match(String(told["x-windrose-explain"]), /shop/);
    assert.equal((await request({ "x-windrose-explain": "guessed" }))["x-windrose-explain"], undefined);
    assert.equal((await request())["x-windrose-explain"], undefined);
    assert.equal(gateway.stderr().includes(stdout.trim()), false);
  });

  it("upgrade waits until another process serves what was served, and the way in stays", async () => {
    const before = JSON.parse((await windrose(["status", "--json"])).stdout);
    const { code, stdout, stderr } = await windrose(["upgrade"]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^✓ process \d+ has taken over: windrose (\S+) → \1\n$/);
    const after = JSON.parse((await windrose(["status", "--json"])).stdout);
    assert.equal(after.configuration.version, before.configuration.version);
    assert.notEqual(after.info.startedAt, before.info.startedAt);
    assert.equal((await windrose(["status", "--admin", gateway.admin.url], { env: { WINDROSE_ADMIN_TOKEN: READER } })).code, 0);
  });

  it("every attempt is in the audit log on disk, without tokens, for its owner only", async () => {
    const { stateFolder, text } = await eventually(() => readAudit(), "the audit log");
    assert.equal(statSync(join(stateFolder, "audit.log")).mode & 0o777, 0o600);
    const entries = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const told = entries.map(({ caller, operation, outcome }) => `${caller} ${operation} ${outcome}`);
    for (const expected of [
      "socket apply applied",
      "socket apply rejected",
      "socket rollback notFound",
      "grafana reload refused",
      "admin reload unchanged",
    ]) {
      assert.ok(told.includes(expected), `${expected} in\n${told.join("\n")}`);
    }
    assert.equal(entries.find(({ note }) => note === "slower shop")?.operation, "apply");
    for (const secret of [ADMIN, READER, "wrong"]) assert.equal(text.includes(secret), false);
    assert.ok(gateway.stderr().includes('"operation":"rollback"'));
    for (const secret of [ADMIN, READER]) assert.equal(gateway.stderr().includes(secret), false);
  });

  it("a gateway that is not there is 69, something else that answers too", async () => {
    const nowhere = await windrose(["status", "--admin", `unix:${folder}/nowhere.sock`]);
    assert.deepEqual([nowhere.code, nowhere.stdout], [69, ""]);
    assert.match(
      nowhere.stderr,
      /^windrose status: cannot reach unix:\S+nowhere\.sock: there is no such socket; is the gateway running\?\n$/,
    );
    const other = await windrose(["status", "--admin", `http://127.0.0.1:${gateway.port("public")}`]);
    assert.equal(other.code, 69);
    assert.match(other.stderr, /answers, but is not the admin API of a Windrose gateway/);
  });

  const wrong: readonly (readonly [string[], RegExp])[] = [
    [["apply"], /which configuration\?/],
    [["apply", "a", "b"], /unexpected "b"/],
    [["apply", "a", "--guard", "soon"], /--guard "soon" is not a duration from 1s to 24h/],
    [["apply", "a", "--guard", "1ms"], /not a duration from 1s to 24h/],
    [["apply", "a", "--guard", "30s", "--max-error-rate", "2"], /"2" is not a share such as 2% or 0\.02/],
    [["apply", "a", "--guard", "30s", "--max-error-rate", "101%"], /not a share/],
    [["apply", "a", "--max-error-rate", "2%"], /with --guard only/],
    [["apply", "a", "--detach"], /with --guard only/],
    [["apply", "a", "--guard", "30s", "--dry-run"], /exclude each other/],
    [["rollback"], /which version\?/],
    [["history", "--limit", "0"], /not a number from 1/],
    [["explain-token", "--ttl", "1d"], /not a duration from 1s to 1h/],
    [["status", "--admin", "https://gateway"], /plain HTTP/],
    [["status", "--token", "x"], /unknown option --token/],
  ];
  for (const [args, message] of wrong) {
    it(`"windrose ${args.join(" ")}" is 64`, async () => {
      const { code, stdout, stderr } = await windrose(args);
      assert.deepEqual([code, stdout], [64, ""]);
      assert.match(stderr, message);
    });
  }
});

function request(headers: Record<string, string> = {}): Promise<IncomingHttpHeaders> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port: gateway.port("public"), headers, agent: false };
    get(options, (response) => response.resume().once("end", () => resolve(response.headers))).once("error", reject);
  });
}

/** Null until it has been written. */
function readAudit(): { stateFolder: string; text: string } | null {
  const root = join(gateway.directory, "state");
  for (const name of readdirSync(root)) {
    const stateFolder = join(root, name);
    const path = join(stateFolder, "audit.log");
    if (existsSync(path)) return { stateFolder, text: readFileSync(path, "utf8") };
  }
  return null;
}
