import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createAdminServer } from "../../../src/admin/admin-server.js";
import { listenOnSocket } from "../../../src/admin/unix-socket.js";
import { ask, memoryTrail, post, startServer, TOKENS, VIEWS } from "./fixtures.js";

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "windrose-socket-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A socket file whose process was killed. */
async function makeStale(path: string): Promise<void> {
  const program = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.stdout.write("up"))`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "close");
  assert.ok(statSync(path).isSocket());
}

test("the socket is its owner's alone, needs no token, may write, and is gone at the end", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "admin.sock");
  const mask = process.umask(0);
  t.after(() => process.umask(mask));
  const { server, audit } = await startServer(t, { tokens: TOKENS, socketPath: path });
  assert.equal(process.umask(), 0);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder), ["admin.sock"]);
  assert.equal((await ask(path, "/v1/info", { headers: { host: "anything" } })).status, 200);
  assert.equal((await post(path, "/v1/reload", {}, "")).status, 200);
  assert.deepEqual(
    audit.entries.map(({ caller, remote }) => [caller, remote]),
    [["socket", ""]],
  );
  await server.close();
  assert.deepEqual(readdirSync(folder), []);
});

test("without tokens the socket may write, the address may not", async (t) => {
  const path = join(temporaryFolder(t), "admin.sock");
  const { port } = await startServer(t, { socketPath: path });
  assert.equal((await post(port, "/v1/reload", {}, "")).status, 403);
  assert.equal((await post(path, "/v1/reload", {}, "")).status, 200);
});

test("the file of a process that was killed is replaced", async (t) => {
  const path = join(temporaryFolder(t), "admin.sock");
  await makeStale(path);
  await startServer(t, { socketPath: path });
  assert.equal((await ask(path, "/healthz")).status, 200);
});

test("a socket that is listened to is left alone, and the start fails as a whole", async (t) => {
  const path = join(temporaryFolder(t), "admin.sock");
  await startServer(t, { socketPath: path });
  const second = createAdminServer({
    bind: { host: "127.0.0.1", port: 0 },
    tokens: [],
    socketPath: path,
    version: "2",
    views: VIEWS,
    audit: memoryTrail(),
  });
  await assert.rejects(second.listen(), /admin\.sock is in use by another process/);
  await second.close();
  assert.equal((await ask(path, "/healthz")).status, 200);
});

const OBSTACLES: readonly (readonly [what: string, make: (path: string) => void, message: RegExp])[] = [
  ["a file", (path) => writeFileSync(path, "precious"), /exists and is not a socket/],
  ["a folder", (path) => mkdirSync(path), /exists and is not a socket/],
  ["a link to nowhere", (path) => symlinkSync("nowhere", path), /exists and is not a socket/],
];

for (const [what, make, message] of OBSTACLES) {
  test(`${what} in the way is an error and stays`, async (t) => {
    const folder = temporaryFolder(t);
    make(join(folder, "admin.sock"));
    await assert.rejects(listenOnSocket(createServer(), join(folder, "admin.sock")), message);
    assert.deepEqual(readdirSync(folder), ["admin.sock"]);
  });
}

test("a folder that is missing, no folder, or closed is an error that says so", async (t) => {
  const folder = temporaryFolder(t);
  await assert.rejects(listenOnSocket(createServer(), join(folder, "run/admin.sock")), /the folder \S+\/run does not exist/);
  writeFileSync(join(folder, "file"), "");
  await assert.rejects(listenOnSocket(createServer(), join(folder, "file/admin.sock")), /file is not a folder/);
  if (process.getuid?.() === 0) return;
  mkdirSync(join(folder, "closed"));
  chmodSync(join(folder, "closed"), 0o500);
  await assert.rejects(listenOnSocket(createServer(), join(folder, "closed/admin.sock")), /cannot make a socket in \S+closed: EACCES/);
});

test("two that start at once over a stale file: one gets the socket, the other an error", async (t) => {
  const path = join(temporaryFolder(t), "admin.sock");
  await makeStale(path);
  const servers = Array.from({ length: 4 }, () => createServer());
  t.after(() => servers.map((server) => server.close()));
  const results = await Promise.allSettled(servers.map((server) => listenOnSocket(server, path)));
  const failures = results.flatMap((result) => (result.status === "rejected" ? [String(result.reason)] : []));
  assert.equal(failures.length, 3);
  for (const failure of failures) assert.match(failure, /another process was faster|in use by another process/);
});

test("a socket that another process has made meanwhile under the same name is not removed", async (t) => {
  const path = join(temporaryFolder(t), "admin.sock");
  const { server } = await startServer(t, { socketPath: path });
  rmSync(path);
  const other = createServer();
  t.after(() => other.close());
  const bound = await listenOnSocket(other, path);
  await server.close();
  assert.ok(existsSync(path));
  bound.remove();
  assert.ok(!existsSync(path));
});
