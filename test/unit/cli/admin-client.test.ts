import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, connect, createServer as createNetServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createAdminClient } from "../../../src/cli/admin-client.js";
import { within } from "../../support/gateway.js";
import { APPLIED, startServer, TOKENS, VIEWS, WRITER } from "../admin/fixtures.js";

function client(place: number | string, token = "") {
  const made = createAdminClient(
    { admin: typeof place === "number" ? `http://127.0.0.1:${place}` : place },
    { WINDROSE_ADMIN_TOKEN: token },
  );
  assert.ok(made.ok);
  return made.value;
}

async function listening(t: TestContext, server: Server): Promise<number> {
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

const answering = (t: TestContext, listener: RequestListener): Promise<number> => {
  const server = createServer(listener);
  t.after(() => server.closeAllConnections());
  return listening(t, server);
};

/** Taken, and nobody listens there: the near end of a connection. */
async function deafPort(t: TestContext): Promise<number> {
  const port = await listening(
    t,
    createNetServer((socket) => socket.resume()),
  );
  const held = connect(port, "127.0.0.1");
  t.after(() => held.destroy());
  await once(held, "connect");
  return held.localPort as number;
}

test("answers come as they are, over TCP with a token and over a socket without", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "windrose-client-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const socketPath = join(folder, "a.sock");
  const { port } = await startServer(t, { tokens: TOKENS, socketPath });
  const info = VIEWS.info();
  assert.deepEqual(await client(port, WRITER).get("/v1/info"), { ok: true, status: 200, body: info });
  assert.deepEqual(await client(`unix:${socketPath}`).get("/v1/info"), { ok: true, status: 200, body: info });
  const applied = await client(`unix:${socketPath}`).post("/v1/apply", { texts: [{ name: "w.yaml", text: "" }] });
  assert.deepEqual(applied, { ok: true, status: 200, body: APPLIED });
});

test("refusals say who refused and why, and what to do", async (t) => {
  const problems = [{ file: "w.yaml", line: 1, column: 1, path: "", message: "is wrong", severity: "error" }] as const;
  const views = { reload: async () => ({ result: "rejected", problems }) as const };
  const { port } = await startServer(t, { tokens: TOKENS, views });
  const name = `http://127.0.0.1:${port}`;
  const rejected = await client(port, WRITER).post("/v1/reload", {});
  assert.ok(!rejected.ok);
  assert.deepEqual([rejected.status, rejected.code, rejected.problem?.["problems"]], [422, 78, problems]);
  const missing = await client(port).get("/v1/info");
  assert.ok(!missing.ok);
  assert.deepEqual(
    [missing.code, missing.message],
    [77, `${name} refused with 401: A Bearer token is required (give --token-file FILE or WINDROSE_ADMIN_TOKEN)`],
  );
  const wrong = await client(port, "another").get("/v1/info");
  assert.ok(!wrong.ok);
  assert.match(wrong.message, /401: .*\(the token given is not one of its tokens\)$/);
  const open = await startServer(t);
  const forbidden = await client(open.port).post("/v1/reload", {});
  assert.ok(!forbidden.ok);
  assert.deepEqual([forbidden.code, forbidden.status], [77, 403]);
  assert.match(forbidden.message, /set admin\.token/);
  const unknown = await client(open.port).get("/v1/nothing");
  assert.ok(!unknown.ok);
  assert.deepEqual([unknown.code, unknown.status], [1, 404]);
});

test("a gateway that cannot be reached is 69 with the reason in words", async (t) => {
  const port = await deafPort(t);
  const refused = await client(port).get("/v1/info");
  assert.deepEqual(refused, {
    ok: false,
    status: 0,
    message: `cannot reach http://127.0.0.1:${port}: connection refused; is the gateway running?`,
    code: 69,
    problem: null,
  });
  const nowhere = await client("unix:/nowhere/a.sock").get("/v1/info");
  assert.ok(!nowhere.ok);
  assert.match(nowhere.message, /cannot reach unix:\/nowhere\/a\.sock: there is no such socket/);
});

const FOREIGN: readonly (readonly [string, RequestListener])[] = [
  ["a web page", (_, response) => response.setHeader("content-type", "text/html").end("<html>")],
  ["JSON of others", (_, response) => response.setHeader("content-type", "application/json").end("{}")],
  [
    "a problem of others",
    (_, response) => response.writeHead(404, { "content-type": "application/problem+json" }).end('{"title":"No route"}'),
  ],
  ["a signed answer that is no JSON", (_, response) => response.setHeader("windrose-admin", "v1").end("oops")],
];

for (const [what, listener] of FOREIGN) {
  test(`${what} is told apart from the admin API`, async (t) => {
    const answer = await client(await answering(t, listener)).get("/v1/info");
    assert.ok(!answer.ok);
    assert.equal(answer.code, 69);
    assert.match(answer.message, /answers, but is not the admin API/);
  });
}

test("what speaks no HTTP, breaks off or never answers is told of", async (t) => {
  const ssh = await listening(
    t,
    createNetServer((socket) => socket.end("SSH-2.0-OpenSSH\r\n")),
  );
  const spoken = await client(ssh).get("/v1/info");
  assert.ok(!spoken.ok);
  assert.match(spoken.message, /does not speak HTTP/);
  const broken = await answering(t, (_, response) => {
    response.writeHead(200, { "windrose-admin": "v1", "content-length": 100 });
    response.write("{", () => response.destroy());
  });
  const cut = await client(broken).get("/v1/info");
  assert.ok(!cut.ok);
  assert.match(cut.message, /no answer from http:/);
  const silent = await answering(t, () => undefined);
  const late = await within(5000, client(silent).post("/v1/reload", {}, { timeoutMs: 100 }), () => "no deadline");
  assert.ok(!late.ok);
  assert.match(late.message, /did not answer in time/);
});

test("an answer without end is given up", async (t) => {
  const endless = await answering(t, (_, response) => {
    response.writeHead(200, { "windrose-admin": "v1" });
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(1024 * 1024, 0x20)));
    };
    response.on("drain", more);
    more();
  });
  const answer = await client(endless).get("/v1/info");
  assert.ok(!answer.ok);
  assert.match(answer.message, /answers without end/);
});

test("a refused upload of many megabytes still brings the answer", async (t) => {
  const { port } = await startServer(t, { tokens: TOKENS });
  const texts = [{ name: "w.yaml", text: "x".repeat(33 * 1024 * 1024) }];
  for (const [token, status] of [
    ["wrong", 401],
    [WRITER, 200],
  ] as const) {
    assert.equal((await client(port, token).post("/v1/apply", { texts })).status, status);
  }
  const tooLarge = [{ name: "w.yaml", text: "x".repeat(40 * 1024 * 1024) }];
  assert.equal((await client(port, WRITER).post("/v1/apply", { texts: tooLarge })).status, 413);
});
