import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { createUwsListener } from "../../src/listeners/uws/listener.js";
import { connectRaw, exchangeRaw, hasResponses } from "../support/raw-socket.js";
import { listenerSpec, reply, startHarness, timers } from "./uws-harness.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

test("connections beyond maxConnections are closed at once, and room is found again", async () => {
  const harness = await startHarness({ limits: { maxConnections: 2 } });
  const kept = [await connectRaw(harness), await connectRaw(harness)];
  for (const raw of kept) {
    raw.send(GET);
    await raw.until((text) => hasResponses(text, 1));
  }
  const extra = await connectRaw(harness);
  assert.equal(await extra.untilClosed(), "");
  await harness.until(() => harness.listener.connections === 2, "two are left");
  assert.equal(harness.listener.refusedConnections, 1);
  kept[0]!.destroy();
  await harness.until(() => harness.listener.connections === 1, "one is left");
  const next = await connectRaw(harness);
  next.send(GET);
  await next.until((text) => hasResponses(text, 1));
  harness.listener.close();
});

test("an address that cannot be bound is one clear error", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port } = taken.address() as { port: number };
  await assert.rejects(startHarness({ port }), { message: `cannot listen on 127.0.0.1:${port}: the port is in use` });
  await assert.rejects(
    startHarness({ host: "203.0.113.1", port }),
    /cannot listen on 203\.0\.113\.1:\d+: this machine does not have that address/,
  );
  taken.close();
});

test("workers share one port", async () => {
  const first = await startHarness();
  const second = await startHarness({ port: first.port });
  assert.equal(second.port, first.port);
  first.listener.close();
  second.listener.close();
});

test("IPv6 peers are reported in canonical form", async (t) => {
  const harness = await startHarness({ host: "::1" }).catch(() => null);
  if (harness === null) return t.skip("no IPv6 here");
  const raw = await connectRaw({ port: harness.port, host: "::1" });
  raw.send(GET);
  await raw.until((text) => hasResponses(text, 1));
  assert.equal(harness.seen[0]?.head.remoteAddress, "::1");
  harness.listener.close();
});

test("a listener that stops accepting refuses new clients and serves the present ones", async () => {
  const harness = await startHarness();
  harness.onRequest = () => {};
  const raw = await connectRaw(harness);
  raw.send(GET);
  await harness.until(() => harness.seen.length === 1, "accepted");
  harness.isDraining = true;
  await harness.listener.stopAccepting();
  await harness.listener.stopAccepting();
  await assert.rejects(connectRaw(harness), { code: "ECONNREFUSED" });
  assert.equal(harness.listener.pendingResponses, 1);
  reply(harness.seen[0]!.downstream, 200, "last");
  assert.match(await raw.untilClosed(), /Connection: close\r\n[\s\S]*last$/);
  assert.equal(harness.listener.pendingResponses, 0);
  harness.listener.close();
});

test("a slow reader's response stays pending until its last byte was taken", async () => {
  for (const bodyLength of [-1, 4 * 1024 * 1024]) {
    const harness = await startHarness();
    harness.onRequest = (one) =>
      setImmediate(() => {
        one.downstream.writeHead(200, [], bodyLength);
        one.downstream.write(Buffer.alloc(4 * 1024 * 1024, "x"));
        one.downstream.write(Buffer.alloc(4 * 1024 * 1024, "x"));
        one.downstream.end();
      });
    const raw = await connectRaw(harness);
    raw.socket.pause();
    raw.send(GET);
    await harness.until(() => harness.seen.length === 1, "accepted");
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    if (raw.receivedBytes() < 4 * 1024 * 1024) assert.equal(harness.listener.pendingResponses, 1);
    raw.socket.resume();
    await raw.until((text) => text.length > 4 * 1024 * 1024 && hasResponses(text, 1));
    await harness.until(() => harness.listener.pendingResponses === 0, "complete");
    harness.listener.close();
  }
});

test("closing cuts every connection and tells the exchanges", async () => {
  const harness = await startHarness();
  harness.onRequest = () => {};
  const [busy, idle] = [await connectRaw(harness), await connectRaw(harness)];
  busy.send(GET);
  await harness.until(() => harness.seen.length === 1, "accepted");
  harness.listener.close();
  harness.listener.close();
  await busy.untilClosed();
  await idle.untilClosed();
  assert.equal(harness.seen[0]?.aborts, 1);
  assert.equal(harness.listener.connections, 0);
  await assert.rejects(connectRaw(harness), { code: "ECONNREFUSED" });
});

test("a listener that never listened can be closed", async () => {
  const acceptor = { accept: assert.fail, refuse: assert.fail, isDraining: false };
  const listener = createUwsListener(listenerSpec(), acceptor, timers);
  await listener.stopAccepting();
  listener.close();
});

test("an exchange that answers while others come and go gets only its own bytes", async () => {
  const harness = await startHarness();
  harness.onRequest = (one) => setImmediate(() => reply(one.downstream, 200, one.head.path));
  await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const text = await exchangeRaw(harness, `GET /${i} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      assert.ok(text.endsWith(`\r\n\r\n/${i}`));
    }),
  );
  harness.listener.close();
});
