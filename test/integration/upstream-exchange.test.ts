import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
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

beforeEach(() => {
  bench = startConnector();
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

describe("an exchange", () => {
  test("delivers head, body and end, in that order, and never from within start", async () => {
    const { port } = await serve(answering(HELLO));
    const notes = new Notes().start(bench.connector, targetOf(port));
    assert.deepEqual(notes.events, ["started"]);
    assert.equal(await notes.over, "end");
    assert.deepEqual(notes.events, ["started", "connected", "head", "body", "end"]);
    assert.deepEqual([notes.status, notes.headers, notes.bodyLength, notes.body], [200, ["x-a", "1"], 5, "hello"]);
  });

  test("reuses its connection for the next one", async () => {
    const { port, sockets } = await serve(answering(HELLO));
    for (let i = 0; i < 5; i++) {
      const notes = new Notes().start(bench.connector, targetOf(port));
      assert.equal(await notes.over, "end");
      assert.deepEqual(notes.events.slice(0, 2), i === 0 ? ["started", "connected"] : ["connected", "started"]);
    }
    assert.equal(sockets.length, 1);
    assert.deepEqual([bench.connector.stats().openedConnections, bench.connector.stats().idleConnections], [1, 1]);
  });

  test("reaches a service by name, whichever of its addresses listens", async () => {
    const { port } = await serve(answering(HELLO));
    const notes = new Notes().start(bench.connector, targetOf(port, { host: "localhost" }));
    assert.equal(await notes.over, "end", notes.detail);
    assert.equal(notes.body, "hello");
  });

  test("on a fresh connection leaves the pooled one alone", async () => {
    const { port, sockets } = await serve(answering(HELLO));
    await new Notes().start(bench.connector, targetOf(port)).over;
    await new Notes().start(bench.connector, targetOf(port), requestOf({ isFresh: true })).over;
    assert.equal(sockets.length, 2);
    assert.equal(bench.connector.stats().idleConnections, 2);
  });

  test("says when the events of one read are over, unless the exchange is", async () => {
    const { port } = await serve((socket) =>
      onRequests(socket, () => {
        socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\nabc\r\n");
        void until(() => notes.events.includes("read-end"), "first read").then(() => socket.write("0\r\nT: 1\r\n\r\n"));
      }),
    );
    const notes = new Notes().start(bench.connector, targetOf(port));
    assert.equal(await notes.over, "end");
    assert.deepEqual(notes.events, ["started", "connected", "head", "body", "body", "read-end", "end"]);
    assert.deepEqual(notes.trailers, ["t", "1"]);
  });

  test("hands on 1xx responses but 100", async () => {
    const hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nKeep-Alive: timeout=1\r\n\r\n";
    const { port } = await serve(answering(`HTTP/1.1 100 Continue\r\n\r\n${hints}HTTP/1.1 102 Processing\r\n\r\n${HELLO}`));
    const notes = new Notes().start(bench.connector, targetOf(port));
    assert.equal(await notes.over, "end");
    assert.deepEqual(notes.interim, [[103, "link", "</a.css>"], [102]]);
    assert.deepEqual([notes.status, notes.body], [200, "hello"]);
  });

  test("ends a response without a length with the connection", async () => {
    const { port } = await serve((socket) => onRequests(socket, () => socket.end("HTTP/1.1 200 OK\r\n\r\nabc")));
    const notes = new Notes().start(bench.connector, targetOf(port));
    assert.equal(await notes.over, "end");
    assert.deepEqual([notes.bodyLength, notes.body], [-1, "abc"]);
    assert.equal(bench.connector.stats().connections, 0);
  });

  test("of HEAD ends with its head", async () => {
    const { port, sockets } = await serve(answering("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"));
    for (let i = 0; i < 2; i++) {
      const notes = new Notes().start(bench.connector, targetOf(port), requestOf({ method: "HEAD" }));
      assert.equal(await notes.over, "end");
      assert.deepEqual([notes.bodyLength, notes.bodyBytes], [500, 0]);
    }
    assert.equal(sockets.length, 1);
  });

  test("with a request that cannot be encoded fails later, without a connection", async () => {
    const { port, sockets } = await serve(answering(HELLO));
    const notes = new Notes().start(bench.connector, targetOf(port), requestOf({ headers: ["x", "a\r\nb: c"] }));
    assert.deepEqual(notes.events, ["started"]);
    assert.equal(await notes.over, "internal");
    assert.equal(sockets.length, 0);
  });

  test("that is aborted closes its connection and reports nothing more", async () => {
    let closed = 0;
    const { port } = await serve((socket) => {
      socket.on("close", () => closed++);
      onRequests(socket, () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"));
    });
    const notes = new Notes().start(bench.connector, targetOf(port));
    await until(() => notes.events.includes("body"), "body");
    notes.call?.abort();
    const { length } = notes.events;
    await until(() => closed === 1, "the connection to close");
    notes.call?.abort();
    assert.equal(notes.call?.write(Buffer.from("x")), true);
    notes.call?.end();
    assert.equal(notes.events.length, length);
    assert.equal(bench.connector.stats().connections, 0);
  });

  test("that is aborted from within a callback reports nothing more", async () => {
    const { port } = await serve(answering(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${"1\r\nx\r\n".repeat(5)}0\r\n\r\n`));
    for (const when of ["connected", "head", "body"] as const) {
      const notes = new Notes();
      const events: string[] = notes.events;
      const abortNow = (name: string): void => {
        events.push(name);
        if (name === when) notes.call?.abort();
      };
      notes.onConnected = () => abortNow("connected");
      notes.onHead = () => abortNow("head");
      notes.onBody = () => abortNow("body");
      notes.start(bench.connector, targetOf(port));
      await until(() => bench.connector.stats().connections === 0, "the connection to be gone");
      assert.equal(events.at(-1), when);
      assert.equal(events.filter((event) => event === when).length, 1);
    }
  });

  test("that is over cannot be touched by its call while the connection serves the next", async () => {
    const heads: string[] = [];
    const { port } = await serve((socket) =>
      onRequests(socket, (head, index) => {
        heads.push(head);
        if (index === 0) socket.write(HELLO);
      }),
    );
    const first = new Notes().start(bench.connector, targetOf(port));
    await first.over;
    const second = new Notes().start(bench.connector, targetOf(port));
    await until(() => heads.length === 2, "the second request");
    first.call?.write(Buffer.from("GET /evil HTTP/1.1\r\n\r\n"));
    first.call?.end();
    first.call?.pause();
    first.call?.abort();
    server?.sockets[0]?.write(HELLO);
    assert.equal(await second.over, "end");
    assert.equal(heads.length, 2);
  });
});

describe("a connection is not used again", () => {
  const rows: [string, string][] = [
    ["after Connection: close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"],
    ["after HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"],
    ["when the service keeps it for a second only", "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 0\r\n\r\n"],
  ];
  for (const [name, text] of rows) {
    test(name, async () => {
      const { port, sockets } = await serve(answering(text));
      for (let i = 0; i < 2; i++) assert.equal(await new Notes().start(bench.connector, targetOf(port)).over, "end");
      assert.equal(sockets.length, 2);
      assert.equal(bench.connector.stats().connections, 0);
    });
  }

  test("when pooling is off", async () => {
    const { port, sockets } = await serve(answering(HELLO));
    for (let i = 0; i < 2; i++) await new Notes().start(bench.connector, targetOf(port, { keepAliveMs: 0 })).over;
    assert.equal(sockets.length, 2);
  });

  test("after its idle time", async () => {
    const { port } = await serve(answering(HELLO));
    await new Notes().start(bench.connector, targetOf(port, { keepAliveMs: 30 })).over;
    assert.equal(bench.connector.stats().idleConnections, 1);
    await until(() => bench.connector.stats().pools === 0, "the idle connection to go");
  });

  test("when the service closes it while idle", async () => {
    const { port, sockets } = await serve(answering(HELLO));
    await new Notes().start(bench.connector, targetOf(port)).over;
    sockets[0]?.end();
    await until(() => bench.connector.stats().connections === 0, "the connection to be forgotten");
  });

  test("when the service sends something while idle", async () => {
    const { port, sockets } = await serve(answering(HELLO));
    await new Notes().start(bench.connector, targetOf(port)).over;
    sockets[0]?.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    await until(() => bench.connector.stats().connections === 0, "the connection to be forgotten");
    const next = new Notes().start(bench.connector, targetOf(port));
    assert.equal(await next.over, "end");
    assert.equal(next.body, "hello");
  });
});

describe("a request body", () => {
  /** Everything one connection received, answered once it ends with `last`. */
  async function collect(last: string): Promise<{ port: number; received: () => string; reads: () => number }> {
    let received = "";
    let reads = 0;
    const { port } = await serve((socket) =>
      socket.on("data", (bytes) => {
        received += bytes.toString("latin1");
        reads++;
        if (received.endsWith(last)) socket.write(HELLO);
      }),
    );
    return { port, received: () => received, reads: () => reads };
  }

  test("of known length leaves with its head in one write", async () => {
    const { port, received, reads } = await collect("abc");
    const notes = new Notes();
    notes.onConnected = () => {
      assert.equal(notes.call?.write(Buffer.from("abc")), true);
      notes.call?.end();
    };
    notes.start(bench.connector, targetOf(port), requestOf({ method: "POST", bodyLength: 3 }));
    assert.equal(await notes.over, "end");
    assert.equal(received(), "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\n\r\nabc");
    assert.equal(reads(), 1);
    assert.equal(bench.connector.stats().idleConnections, 1);
  });

  test("of unknown length is sent in chunks, and an empty write does not end it", async () => {
    const { port, received } = await collect("0\r\n\r\n");
    const notes = new Notes();
    notes.onConnected = () => {
      for (const text of ["abc", "", "0123456789abcdef"]) notes.call?.write(Buffer.from(text));
      notes.call?.end();
    };
    notes.start(bench.connector, targetOf(port), requestOf({ method: "POST", bodyLength: -1 }));
    assert.equal(await notes.over, "end");
    assert.equal(received().split("\r\n\r\n").slice(1).join("\r\n\r\n"), "3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n");
  });

  test("says that trailers are read, and sends none: a service may take them for the next request", async () => {
    const { port, received } = await collect("\r\n0\r\n\r\n");
    const notes = new Notes();
    notes.onConnected = () => {
      setImmediate(() => {
        notes.call?.write(Buffer.from("abc"));
        notes.call?.end(["x-sum", "1"]);
      });
    };
    notes.start(bench.connector, targetOf(port), requestOf({ method: "POST", bodyLength: -1, acceptsTrailers: true }));
    assert.equal(await notes.over, "end");
    assert.match(received(), /te: trailers\r\nconnection: te\r\n/);
    assert.equal(received().slice(received().indexOf("\r\n\r\n") + 4), "3\r\nabc\r\n0\r\n\r\n");
  });

  test("that does not come yet does not hold the head back", async () => {
    const { port, received } = await collect("x");
    const notes = new Notes().start(bench.connector, targetOf(port), requestOf({ method: "POST", bodyLength: 1 }));
    await until(() => received().endsWith("\r\n\r\n"), "the head");
    notes.call?.write(Buffer.from("x"));
    assert.equal(await notes.over, "end");
  });

  test("longer or shorter than announced ends the attempt and its connection", async () => {
    const { port, received } = await collect("never");
    for (const [text, mustEnd] of [
      ["abcd", false],
      ["ab", true],
    ] as const) {
      const notes = new Notes();
      notes.onConnected = () => {
        notes.call?.write(Buffer.from(text));
        if (mustEnd) notes.call?.end();
      };
      notes.start(bench.connector, targetOf(port), requestOf({ method: "POST", bodyLength: 3 }));
      assert.equal(await notes.over, "internal");
      assert.equal(bench.connector.stats().connections, 0);
    }
    assert.ok(!received().includes("abcd"));
  });

  test("may be overtaken by the response, and then the connection is closed", async () => {
    const { port } = await serve(answering("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"));
    const notes = new Notes().start(bench.connector, targetOf(port), requestOf({ method: "POST", bodyLength: 1000 }));
    await until(() => notes.events.includes("connected"), "connect");
    notes.call?.write(Buffer.alloc(10));
    assert.equal(await notes.over, "end");
    assert.deepEqual([notes.status, notes.body], [413, "no"]);
    assert.equal(bench.connector.stats().connections, 0);
    assert.equal(notes.call?.write(Buffer.alloc(10)), true);
  });
});
