/** The server moves to where the configuration wants it, and stays where it is when that cannot be. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { AdminSpec } from "../../../src/engine/model/snapshot.js";
import { eventually } from "../../support/gateway.js";
import { APPLIED, ask, post, READER, startServer, TOKENS, WRITER } from "./fixtures.js";

const HERE = { host: "127.0.0.1", port: 0 };
const AUTHORIZED = { headers: { authorization: `Bearer ${WRITER}` } };

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "windrose-move-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const spec = (changes: Partial<AdminSpec> = {}): AdminSpec => ({ bind: HERE, tokens: TOKENS, socketPath: "", ...changes });

test("new tokens count at once; the port that the system chose is kept", async (t) => {
  const { port, server } = await startServer(t, { tokens: TOKENS });
  const moved = await server.move(spec({ tokens: [{ name: "new", role: "write", token: "new-0123456789abcdef" }] }));
  assert.equal(moved.port, port);
  assert.equal((await ask(port, "/v1/info", AUTHORIZED)).status, 401);
  assert.equal((await post(port, "/v1/reload", {}, "new-0123456789abcdef")).status, 200);
});

test("from this machine to everywhere on the same port, and back", async (t) => {
  const { port, server } = await startServer(t, { tokens: TOKENS });
  const everywhere = { host: "0.0.0.0", port };
  assert.equal((await server.move(spec({ bind: everywhere }))).port, port);
  // No loopback door any more: the Host field may say anything.
  assert.equal((await ask(port, "/v1/info", { headers: { ...AUTHORIZED.headers, host: "gateway.example" } })).status, 200);
  await server.move(spec({ bind: { host: "127.0.0.1", port } }));
  assert.equal((await ask(port, "/v1/info", { headers: { ...AUTHORIZED.headers, host: "gateway.example" } })).status, 421);
});

test("an order that is being carried out is answered on the connection it came by", async (t) => {
  let finish: (value: typeof APPLIED) => void = () => undefined;
  let hasBegun = false;
  const reload = () => {
    hasBegun = true;
    return new Promise<typeof APPLIED>((resolve) => (finish = resolve));
  };
  const { port, server } = await startServer(t, { tokens: TOKENS, views: { reload } });
  const answer = post(port, "/v1/reload", {});
  await eventually(() => hasBegun, "the order has begun");
  await server.move(spec({ bind: { host: "127.0.0.2", port: 0 } }));
  await assert.rejects(ask(port, "/healthz"));
  finish(APPLIED);
  assert.equal((await answer).status, 200);
});

test("a place that cannot be had changes nothing: not the address, not the socket, not the tokens", async (t) => {
  const folder = temporaryFolder(t);
  const [path, other] = [join(folder, "a.sock"), join(folder, "b.sock")];
  const { port, server } = await startServer(t, { tokens: TOKENS, socketPath: path });
  const taken = createServer();
  t.after(() => taken.close());
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const busy = { host: "127.0.0.1", port: (taken.address() as AddressInfo).port };
  const tokens = [{ name: "new", role: "write", token: READER }] as const;
  const impossible: Partial<AdminSpec>[] = [
    { bind: busy, socketPath: other },
    { socketPath: join(folder, "nowhere/a.sock") },
    { bind: { host: "192.0.2.1", port }, socketPath: other },
    { bind: { host: "0.0.0.0", port: 0 }, tokens: [] },
  ];
  for (const changes of impossible) {
    await assert.rejects(server.move(spec({ socketPath: path, tokens, ...changes })), /cannot listen on|does not exist|token is required/);
    assert.equal((await ask(port, "/v1/info", AUTHORIZED)).status, 200);
    assert.equal((await ask(path, "/healthz")).status, 200);
    await eventually(() => !existsSync(other), "the other socket to go");
  }
});

test("a server that is closed takes what it is told for later, and closes again", async (t) => {
  const { port, server } = await startServer(t, { tokens: TOKENS });
  await server.close();
  assert.equal((await server.move(spec({ socketPath: "/nowhere/a.sock" }))).port, port);
  await assert.rejects(ask(port, "/healthz"));
  await server.close();
});
