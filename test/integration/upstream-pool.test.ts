import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { afterEach, beforeEach, test } from "node:test";
import type { RawServer } from "../unit/upstream/support.js";
import {
  answering,
  HELLO,
  Notes,
  onRequests,
  requestOf,
  startConnector,
  startRawServer,
  targetOf,
  until,
} from "../unit/upstream/support.js";

let bench: ReturnType<typeof startConnector>;
let server: RawServer | null = null;
/** Requests that wait for an answer, oldest first. */
let held: Socket[] = [];

beforeEach(() => {
  bench = startConnector();
  held = [];
});
afterEach(async () => {
  bench.close();
  await server?.close();
  server = null;
});

async function serve(onSocket: (socket: Socket, index: number) => void): Promise<RawServer> {
  server = await startRawServer(onSocket);
  return server;
}

const holding = (socket: Socket): void => onRequests(socket, () => held.push(socket));

test("no more connections than allowed; the rest waits and is served in order of arrival", async () => {
  const { port, sockets } = await serve(holding);
  const target = targetOf(port, { maxConnections: 2 });
  const order: number[] = [];
  const all = Array.from({ length: 6 }, (_, i) => {
    const notes = new Notes().start(bench.connector, target);
    notes.over.then(() => order.push(i));
    return notes;
  });
  await until(() => held.length === 2, "two requests");
  assert.deepEqual([bench.connector.stats().connections, bench.connector.stats().waitingRequests], [2, 4]);
  for (let i = 0; i < 6; i++) {
    await until(() => held.length > 0, "a request");
    held.shift()?.write(HELLO);
    await until(() => order.length === i + 1, "an answer");
  }
  for (const notes of all) assert.equal(await notes.over, "end");
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5]);
  assert.equal(sockets.length, 2);
  assert.equal(bench.connector.stats().waitingRequests, 0);
});

test("a request that finds the queue full is upstream-overflow, in a later turn", async () => {
  const { port } = await serve(holding);
  const target = targetOf(port, { maxConnections: 1, maxPendingRequests: 1 });
  new Notes().start(bench.connector, target);
  new Notes().start(bench.connector, target);
  const third = new Notes().start(bench.connector, target);
  assert.deepEqual(third.events, ["started"]);
  assert.equal(await third.over, "upstream-overflow");
  assert.equal(third.detail, "1 connections busy, 1 requests waiting");
});

test("a request waits no longer than a connect may take", async () => {
  const { port } = await serve(holding);
  const target = targetOf(port, { maxConnections: 1, connectTimeoutMs: 100 });
  new Notes().start(bench.connector, target);
  await until(() => held.length === 1, "the first request");
  const second = new Notes().start(bench.connector, target);
  assert.equal(await second.over, "upstream-overflow");
  assert.equal(bench.connector.stats().waitingRequests, 0);
});

test("a waiting request that is given up leaves the queue", async () => {
  const { port } = await serve(holding);
  const target = targetOf(port, { maxConnections: 1 });
  const first = new Notes().start(bench.connector, target);
  const second = new Notes().start(bench.connector, target);
  const third = new Notes().start(bench.connector, target);
  await until(() => held.length === 1, "the first request");
  second.call?.abort();
  assert.equal(bench.connector.stats().waitingRequests, 1);
  held.shift()?.write(HELLO);
  await first.over;
  await until(() => held.length === 1, "the third request");
  held.shift()?.write(HELLO);
  assert.equal(await third.over, "end");
  assert.deepEqual(second.events, ["started"]);
});

test("when a connection fails, the next in the queue gets a new one", async () => {
  const { port } = await serve((socket, number) =>
    number === 0 ? onRequests(socket, () => socket.end("garbage")) : answering(HELLO)(socket),
  );
  const target = targetOf(port, { maxConnections: 1 });
  const first = new Notes().start(bench.connector, target);
  const second = new Notes().start(bench.connector, target);
  assert.equal(await first.over, "upstream-protocol");
  assert.equal(await second.over, "end");
});

test("the connection used last is used first", async () => {
  const { port } = await serve(holding);
  const target = targetOf(port);
  const both = [new Notes().start(bench.connector, target), new Notes().start(bench.connector, target)];
  await until(() => held.length === 2, "two requests");
  const [first, last] = held.splice(0) as [Socket, Socket];
  first.write(HELLO);
  await until(() => bench.connector.stats().idleConnections === 1, "the first answer");
  last.write(HELLO);
  for (const notes of both) await notes.over;
  for (let i = 0; i < 3; i++) {
    const notes = new Notes().start(bench.connector, target);
    await until(() => held.length === 1, "a request");
    assert.equal(held.shift(), last);
    last.write(HELLO);
    await notes.over;
  }
});

test("a request that insists on a fresh connection replaces the oldest idle one when the pool is full", async () => {
  const { port, sockets } = await serve(answering(HELLO));
  const target = targetOf(port, { maxConnections: 1 });
  await new Notes().start(bench.connector, target).over;
  assert.equal(await new Notes().start(bench.connector, target, requestOf({ isFresh: true })).over, "end");
  assert.equal(sockets.length, 2);
  assert.deepEqual([bench.connector.stats().connections, bench.connector.stats().pools], [1, 1]);
});

test("a waiting request that insists on a fresh connection gets one", async () => {
  const { port, sockets } = await serve(holding);
  const target = targetOf(port, { maxConnections: 1 });
  const first = new Notes().start(bench.connector, target);
  const second = new Notes().start(bench.connector, target, requestOf({ isFresh: true }));
  await until(() => held.length === 1, "the first request");
  held.shift()?.write(HELLO);
  await first.over;
  await until(() => held.length === 1, "the second request");
  held.shift()?.write(HELLO);
  assert.equal(await second.over, "end");
  assert.equal(sockets.length, 2);
});

test("targets with different keys share nothing", async () => {
  const { port, sockets } = await serve(answering(HELLO));
  await new Notes().start(bench.connector, targetOf(port)).over;
  await new Notes().start(bench.connector, targetOf(port, { key: "other" })).over;
  assert.equal(sockets.length, 2);
  assert.equal(bench.connector.stats().pools, 2);
});

test("closing the connector ends everything, and later requests fail", async () => {
  const { port } = await serve(holding);
  const target = targetOf(port, { maxConnections: 1 });
  const busy = new Notes().start(bench.connector, target);
  const waiting = new Notes().start(bench.connector, target);
  await until(() => held.length === 1, "a request");
  bench.connector.close();
  const late = new Notes().start(bench.connector, target);
  for (const notes of [busy, waiting, late]) assert.equal(await notes.over, "upstream-closed");
  assert.deepEqual(late.events, ["started", "error"]);
  const { pools, connections, waitingRequests } = bench.connector.stats();
  assert.deepEqual([pools, connections, waitingRequests], [0, 0, 0]);
});

test("a thousand requests, some aborted, over a few connections each get their own answer", async () => {
  const { port, sockets } = await serve((socket) =>
    onRequests(socket, (head) => {
      const name = head.split(" ")[1] as string;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${name.length}\r\n\r\n${name}`);
    }),
  );
  const target = targetOf(port, { maxConnections: 8, maxPendingRequests: 1000, connectTimeoutMs: 20_000 });
  const all = Array.from({ length: 1000 }, (_, i) => new Notes().start(bench.connector, target, requestOf({ target: `/${i}` })));
  for (let i = 0; i < 1000; i += 10) all[i]?.call?.abort();
  for (const [i, notes] of all.entries()) {
    if (i % 10 === 0) assert.deepEqual(notes.events, ["started"]);
    else assert.equal(await notes.over, "end");
    if (i % 10 !== 0) assert.equal(notes.body, `/${i}`);
  }
  assert.ok(sockets.length < 100, `${sockets.length} connections`);
  assert.deepEqual([bench.connector.stats().connections, bench.connector.stats().idleConnections], [8, 8]);
});

/** Counts, and has room for `max` sockets. */
function budgetOf(max: number) {
  const budget = {
    upstream: 0,
    openedDownstream: () => true,
    closedDownstream: () => undefined,
    get hasUpstreamRoom() {
      return budget.upstream < max;
    },
    openedUpstream: () => void budget.upstream++,
    closedUpstream: () => void budget.upstream--,
  };
  return budget;
}

test("when open files run short, an idle connection to another target is given up for a new one", async () => {
  const sockets = budgetOf(1);
  const { connector, close } = startConnector(sockets);
  const { port } = await serve(answering(HELLO));
  assert.equal(await new Notes().start(connector, targetOf(port)).over, "end");
  assert.equal(await new Notes().start(connector, targetOf(port, { key: "other" })).over, "end");
  assert.deepEqual([connector.stats().connections, connector.stats().pools, sockets.upstream], [1, 1, 1]);
  close();
  assert.equal(sockets.upstream, 0);
});

test("when open files run short, requests wait for a connection of their target, and fail where there is none", async () => {
  const sockets = budgetOf(1);
  const { connector, close } = startConnector(sockets);
  const { port } = await serve(holding);
  const first = new Notes().start(connector, targetOf(port));
  const second = new Notes().start(connector, targetOf(port));
  const elsewhere = new Notes().start(connector, targetOf(port, { key: "other" }));
  assert.deepEqual(elsewhere.events, ["started"], "not at once");
  assert.equal(await elsewhere.over, "overloaded");
  assert.equal(elsewhere.detail, "as many connections are open as the limit of open files allows");
  assert.deepEqual([connector.stats().pools, connector.stats().waitingRequests], [1, 1]);
  for (const notes of [first, second]) {
    await until(() => held.length === 1, "a request");
    held.shift()?.write(HELLO);
    assert.equal(await notes.over, "end");
  }
  close();
});

test("when open files run short, a request that insists on a fresh connection gets one in place of an idle one", async () => {
  const sockets = budgetOf(1);
  const { connector, close } = startConnector(sockets);
  const { port, sockets: accepted } = await serve(answering(HELLO));
  await new Notes().start(connector, targetOf(port)).over;
  assert.equal(await new Notes().start(connector, targetOf(port), requestOf({ isFresh: true })).over, "end");
  assert.deepEqual([accepted.length, connector.stats().connections, connector.stats().pools, sockets.upstream], [2, 1, 1, 1]);
  close();
});

test("connections that fail are counted off", async () => {
  const sockets = budgetOf(10);
  const { connector, close } = startConnector(sockets);
  const { port } = await serve((socket) => socket.destroy());
  for (const target of [targetOf(port), targetOf(1)]) await new Notes().start(connector, target).over;
  assert.equal(sockets.upstream, 0);
  close();
});

test("a connection that has grown old is closed when idle, and carries no further request when busy", async () => {
  const { port, sockets } = await serve(holding);
  const target = targetOf(port, { connectionAgeMs: 100 });
  const answerOne = async (notes: Notes): Promise<void> => {
    await until(() => held.length === 1, "a request");
    held.shift()?.write(HELLO);
    assert.equal(await notes.over, "end");
  };
  const young = new Notes().start(bench.connector, target);
  const openedAt = performance.now();
  await answerOne(young);
  assert.equal(bench.connector.stats().idleConnections, 1, "kept while it is young");
  await until(() => bench.connector.stats().connections === 0, "closed for its age");
  assert.ok(performance.now() - openedAt >= 100);

  const busy = new Notes().start(bench.connector, target);
  const waiting = new Notes().start(bench.connector, { ...target, maxConnections: 1 });
  await until(() => held.length === 1, "a request on the second connection");
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.equal(bench.connector.stats().connections, 1, "it finishes what it carries");
  await answerOne(busy);
  await answerOne(waiting);
  assert.equal(sockets.length, 3, "the request that waited for it got a new one");
});

test("a connection under constant use is replaced when it is old, without a failed request", async () => {
  const { port, sockets } = await serve(answering(HELLO));
  const target = targetOf(port, { connectionAgeMs: 50 });
  const endsAt = performance.now() + 400;
  while (performance.now() < endsAt) assert.equal(await new Notes().start(bench.connector, target).over, "end");
  assert.ok(sockets.length >= 4 && sockets.length <= 9, `${sockets.length} connections`);
});
