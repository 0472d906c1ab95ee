/** Ways into the admin API of a real gateway, and what becomes of them: tokens that change, sockets that move, crash, and end. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { CONFIG_NAME, eventually, type Gateway, type GatewayOptions, MAIN, startGateway, watchProcess } from "../support/gateway.js";
import { type Asked, ask, post } from "../unit/admin/fixtures.js";

const [OLD, NEW] = ["old-token-0123456789abcdef", "new-token-0123456789abcdef"];

const gateways: Gateway[] = [];
const folders: string[] = [];
afterEach(async () => {
  await Promise.all(gateways.splice(0).map((gateway) => gateway.stop()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function start(admin: string, options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await startGateway(document(admin), options);
  gateways.push(gateway);
  return gateway;
}

function document(admin: string): string {
  return `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: hello, filters: [{ respond: { body: hello } }] }]
admin: { bind: "127.0.0.1:0", ${admin} }
telemetry: { accessLog: { path: "off" } }
workers: 1
`;
}

function save(gateway: Gateway, name: string, text: string): void {
  writeFileSync(join(gateway.directory, `${name}.new`), text);
  renameSync(join(gateway.directory, `${name}.new`), join(gateway.directory, name));
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "windrose-access-"));
  folders.push(folder);
  return folder;
}

const statusOf = (answer: Promise<Asked>): Promise<number> => answer.then(({ status }) => status);
const asWho = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

describe("the admin API of a running gateway", () => {
  it("takes a new token and refuses the old one as soon as the configuration says so, in place", async () => {
    const gateway = await start(`token: ${OLD}`);
    const { port } = gateway.admin;
    assert.equal(await statusOf(post(port, "/v1/reload", {}, OLD)), 200);
    save(gateway, CONFIG_NAME, document(`token: ${NEW}`));
    await eventually(async () => (await statusOf(ask(port, "/v1/info", asWho(NEW)))) === 200, "the new token");
    assert.equal(await statusOf(ask(port, "/v1/info", asWho(OLD))), 401);
    const listed = await ask(port, "/v1/versions", asWho(NEW));
    const [latest, first] = (JSON.parse(listed.body) as { versions: { version: string }[] }).versions.map(({ version }) => version);
    const diff = await ask(port, `/v1/versions/${first}/diff/${latest}`, asWho(NEW));
    assert.match(diff.body, /"kind": "admin"/);
    const shown = [diff.body, (await ask(port, "/v1/config", asWho(NEW))).body, gateway.stderr()].join();
    for (const secret of [OLD, NEW]) assert.equal(shown.includes(secret), false);
  });

  it("notices that a file with a token has changed, and shows nothing of it", async () => {
    const gateway = await start("tokens: [{ name: ci, role: write, token: { file: ci-token } }]", { files: { "ci-token": OLD } });
    const { port } = gateway.admin;
    assert.equal(await statusOf(ask(port, "/v1/info", asWho(OLD))), 200);
    save(gateway, "ci-token", NEW);
    const info = await eventually(async () => {
      const answer = await ask(port, "/v1/config/status", asWho(NEW));
      return answer.status === 200 && JSON.parse(answer.body).lastReload !== null ? answer : null;
    }, "the new token");
    assert.equal(JSON.parse(info.body).lastReload.outcome.result, "applied");
    assert.equal(await statusOf(ask(port, "/v1/info", asWho(OLD))), 401);
    for (const secret of [OLD, NEW]) assert.equal(`${info.body}${gateway.stderr()}`.includes(secret), false);
  });

  it("keeps the texts of versions from readers", async () => {
    const gateway = await start(`token: ${OLD}, tokens: [{ name: grafana, token: ${NEW} }]`);
    const { port } = gateway.admin;
    assert.equal(await statusOf(ask(port, "/v1/versions/1", asWho(NEW))), 403);
    const { body } = await ask(port, "/v1/versions/1", asWho(OLD));
    assert.match(JSON.parse(body).texts[0].text, /listeners:/);
  });

  it("opens a socket when the configuration names one, and takes it away when it does not", async () => {
    const gateway = await start(`token: ${OLD}`);
    const path = join(gateway.directory, "admin.sock");
    save(gateway, CONFIG_NAME, document(`token: ${OLD}, socket: admin.sock`));
    await eventually(() => existsSync(path), "the socket");
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(await statusOf(post(path, "/v1/reload", {}, "")), 200);
    save(gateway, CONFIG_NAME, document(`token: ${OLD}`));
    await eventually(() => !existsSync(path), "the socket to go");
    await eventually(async () => (await statusOf(ask(gateway.admin.port, "/v1/info", asWho(OLD)))) === 200, "the address to stay");
  });

  it("stays where it is when the new place cannot be had, and says why", async () => {
    const gateway = await start(`token: ${OLD}, socket: admin.sock`);
    const path = join(gateway.directory, "admin.sock");
    save(gateway, CONFIG_NAME, document(`token: ${OLD}, socket: nowhere/admin.sock`));
    const outcome = await eventually(async () => {
      const { body } = await ask(path, "/v1/config/status");
      return JSON.parse(body).lastReload?.outcome;
    }, "an attempt");
    assert.equal(outcome.result, "failed");
    assert.match(outcome.message, /admin\.socket: the folder \S+nowhere does not exist/);
    assert.equal(await statusOf(post(path, "/v1/explain", { request: "http://localhost/" }, "")), 200);
  });

  it("leaves no socket behind when it stops, and replaces the one of a gateway that was killed", async () => {
    const path = join(temporaryFolder(), "admin.sock");
    const first = await start(`socket: ${path}`);
    await first.stop();
    assert.equal(existsSync(path), false);
    const second = await start(`socket: ${path}`);
    const { workers } = JSON.parse((await ask(path, "/v1/info")).body);
    // All at once, as when a machine loses its power: nobody is left to tidy up.
    second.process.kill("SIGSTOP");
    for (const pid of [...parentsOf(workers[0].pid), workers[0].pid]) process.kill(pid, "SIGKILL");
    second.process.kill("SIGKILL");
    await second.exited();
    assert.ok(existsSync(path));
    const third = await start(`socket: ${path}`);
    assert.equal(await statusOf(ask(path, "/v1/info")), 200);
    await third.stop();
  });

  it("is not taken from a gateway that runs: the second one says so and ends", async () => {
    const path = join(temporaryFolder(), "admin.sock");
    await start(`socket: ${path}`);
    const config = join(temporaryFolder(), "windrose.yaml");
    writeFileSync(config, document(`socket: ${path}`));
    const second = watchProcess(
      spawn(process.execPath, [MAIN, "run", "-c", config, "--state", temporaryFolder()], { stdio: ["ignore", "pipe", "pipe"] }),
    );
    const { code, stderr } = await second.exit;
    assert.equal(code, 69);
    assert.match(stderr, /admin\.sock is in use by another process/);
    assert.doesNotMatch(stderr, /\n\s+at /);
    assert.equal(await statusOf(ask(path, "/healthz")), 200);
  });
});

/** From the parent upwards, below this process. */
function parentsOf(pid: number): number[] {
  const parent = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  return parent === process.pid || parent <= 1 ? [] : [parent, ...parentsOf(parent)];
}
