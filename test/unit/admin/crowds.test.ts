/** Many connections at once, and such as say nothing: probes and operators still get their answers. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { json, send } from "../../../src/admin/answers.js";
import { eventually, within } from "../../support/gateway.js";
import { APPLIED, ask, post, startServer, TOKENS, WRITER } from "./fixtures.js";

async function open(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  t.after(() => socket.destroy());
  await within(10_000, once(socket, "connect"), () => "no connection");
  return socket;
}

test("1,000 silent connections do not keep a probe out, and at most 100 of them are held", async (t) => {
  const { port } = await startServer(t, { tokens: TOKENS });
  const sockets = await Promise.all(Array.from({ length: 1000 }, () => open(t, port)));
  for (let i = 0; i < 20; i++) assert.equal((await within(5000, ask(port, "/healthz"), () => "no answer")).status, 200);
  await eventually(() => sockets.filter((socket) => !socket.closed).length <= 100, "the rest are ended");
});

test("a hoard of connections that have asked once gives way to others, oldest first", async (t) => {
  const { port } = await startServer(t);
  const sockets: Socket[] = [];
  for (let i = 0; i < 100; i++) {
    const socket = await open(t, port);
    socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await once(socket, "data");
    sockets.push(socket);
  }
  assert.equal((await ask(port, "/readyz")).status, 200);
  await eventually(() => sockets[0]?.closed, "the oldest is ended");
  assert.equal(sockets.filter((socket) => socket.closed).length, 1);
});

test("a connection with a request in flight is not given up for others", async (t) => {
  let finish: (value: typeof APPLIED) => void = () => undefined;
  const applied = new Promise<typeof APPLIED>((resolve) => (finish = resolve));
  let hasBegun = false;
  const apply = () => {
    hasBegun = true;
    return applied;
  };
  const { port } = await startServer(t, { tokens: TOKENS, views: { apply } });
  const answer = post(port, "/v1/apply", { texts: [{ name: "w.yaml", text: "" }] });
  await eventually(() => hasBegun, "the order has begun");
  for (let i = 0; i < 150; i++) await open(t, port);
  finish(APPLIED);
  assert.equal((await answer).status, 200);
});

test("a header that never ends is answered with 408 within seconds", async (t) => {
  const { port } = await startServer(t);
  const socket = await open(t, port);
  socket.write("GET /v1/info HTTP/1.1\r\nHost: local");
  const [data] = (await within(12_000, once(socket, "data"), () => "no answer")) as [Buffer];
  assert.match(String(data), /^HTTP\/1\.1 408 /);
});

test("floods of header fields are refused", async (t) => {
  const { port } = await startServer(t);
  for (const field of [`x: ${"y".repeat(9000)}`, Array.from({ length: 2000 }, (_, i) => `x${i}: y`).join("\r\n")]) {
    const socket = await open(t, port);
    socket.write(`GET /v1/info HTTP/1.1\r\nHost: localhost\r\n${field}\r\n\r\n`);
    const [data] = (await within(5000, once(socket, "data"), () => "no answer")) as [Buffer];
    assert.match(String(data), /^HTTP\/1\.1 431 /);
  }
});

test("large orders are read two at a time", async (t) => {
  const { port } = await startServer(t, { tokens: TOKENS });
  const head = `POST /v1/apply HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${WRITER}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`;
  const waiting = await Promise.all([open(t, port), open(t, port)]);
  for (const socket of waiting) socket.write(head);
  const answer = await eventually(async () => {
    const tried = await post(port, "/v1/apply", { texts: [{ name: "w.yaml", text: "" }] });
    return tried.status === 429 ? tried : null;
  }, "the third is refused");
  assert.equal(answer.headers["retry-after"], "5");
  assert.equal((await post(port, "/v1/rollback", { version: "1" })).status, 200);
  for (const socket of waiting) socket.destroy();
  await eventually(
    async () => (await post(port, "/v1/apply", { texts: [{ name: "w.yaml", text: "" }] })).status === 200,
    "there is room again",
  );
});

const ODD_PATHS = [
  "/v1/../metrics",
  "/v1//info",
  "/v1/info/",
  "/v1/%69nfo",
  "/v1/versions/",
  "/v1/versions/a%2fb",
  "/v1/versions/..",
  "/V1/info",
];

test("paths are taken literally: no dots, escapes or doubled slashes lead anywhere", async (t) => {
  const { port } = await startServer(t, { tokens: TOKENS });
  const headers = { authorization: `Bearer ${WRITER}` };
  // `..` is no version either: the view is asked, and it finds none.
  const asked: string[] = [];
  const { port: strict } = await startServer(t, {
    tokens: TOKENS,
    views: {
      version: async (id) => {
        asked.push(id);
        return null;
      },
    },
  });
  for (const path of ODD_PATHS) assert.equal((await ask(path.endsWith("..") ? strict : port, path, { headers })).status, 404, path);
  for (const path of [`/v1/versions/${"a".repeat(65)}`, "http://localhost/v1/info", "*"]) {
    assert.equal((await ask(port, path, { headers })).status, 404, path);
  }
});

test("queries that mean nothing are refused, such as a mistyped limit", async (t) => {
  const { port } = await startServer(t);
  const statuses = await Promise.all(
    ["/v1/audit?limt=5", "/v1/audit?limit=0", "/v1/audit?limit=1e9", "/v1/audit?limit=x", "/v1/audit?__proto__=1", "/v1/info?x"].map(
      async (path) => (await ask(port, path)).status,
    ),
  );
  assert.deepEqual(statuses, [400, 400, 400, 400, 400, 400]);
  assert.equal((await ask(port, "/v1/audit?limit=5")).status, 200);
});

test("closing ends silent connections at once and lets an order be answered", async (t) => {
  let finish: (value: typeof APPLIED) => void = () => undefined;
  const applied = new Promise<typeof APPLIED>((resolve) => (finish = resolve));
  let hasBegun = false;
  const reload = () => {
    hasBegun = true;
    return applied;
  };
  const { port, server } = await startServer(t, { tokens: TOKENS, views: { reload } });
  const silent = await open(t, port);
  const answer = post(port, "/v1/reload", {});
  await eventually(() => hasBegun, "the order has begun");
  const closed = server.close();
  await eventually(() => silent.closed, "the silent one is ended");
  await assert.rejects(ask(port, "/healthz"));
  finish(APPLIED);
  assert.equal((await answer).status, 200);
  await within(3000, closed, () => "not closed");
});

test("an answer that nobody takes is given up after a while", async (t) => {
  const server = createServer((request, response) => send(request, response, json(200, "x".repeat(64 * 1024 * 1024)), 200));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const socket = await open(t, (server.address() as AddressInfo).port);
  socket.pause().write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const connections = (): Promise<number> => new Promise((resolve) => server.getConnections((_error, count) => resolve(count)));
  await eventually(async () => (await connections()) === 1, "the request");
  await eventually(async () => (await connections()) === 0, "the connection to be given up");
});
