import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { ErrorCode } from "../../src/engine/model/errors.js";
import * as code from "../../src/wire/http2/error-codes.js";
import type { RawConnection, RawHttp2Options } from "../unit/upstream/raw-http2.js";
import { answer, OK, startRawHttp2 } from "../unit/upstream/raw-http2.js";
import type { RawServer } from "../unit/upstream/support.js";
import { http2TargetOf, Notes, requestOf, startConnector, startRawServer, until } from "../unit/upstream/support.js";
import * as raw from "../unit/wire/http2/raw-frames.js";

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

async function serve(options: RawHttp2Options): Promise<RawServer> {
  server = await startRawHttp2(options);
  return server;
}

type Say = (connection: RawConnection, streamId: number) => void;

const LONG_OK = [":status: 200", "content-length: 5"];
const head: Say = ({ send }, id) => send(raw.headers(id, OK, false));
const part: Say = ({ send }, id) => send(raw.headers(id, OK, false), raw.data(id, "he"));
const whole: Say = ({ send }, id) => send(answer(id));

function then(first: Say, second: Say): Say {
  return (connection, id) => {
    first(connection, id);
    second(connection, id);
  };
}

function reset(errorCode: number): Say {
  return ({ send }, id) => send(raw.reset(id, errorCode));
}

function frames(...make: ((id: number) => Buffer)[]): Say {
  return ({ send }, id) => send(...make.map((each) => each(id)));
}

const end: Say = ({ socket }) => socket.end();
const cut: Say = ({ socket }) => socket.resetAndDestroy();

const STREAM_ENDS: readonly (readonly [string, Say, ErrorCode | "end"])[] = [
  ["reset with NO_ERROR before an answer", reset(code.NO_ERROR), "upstream-reset"],
  ["reset with CANCEL before an answer", reset(code.CANCEL), "upstream-reset"],
  ["reset with INTERNAL_ERROR before an answer", reset(code.INTERNAL_ERROR), "upstream-reset"],
  ["reset with ENHANCE_YOUR_CALM before an answer", reset(code.ENHANCE_YOUR_CALM), "upstream-reset"],
  ["reset with a code that nobody knows", reset(0xdead), "upstream-reset"],
  ["refused", reset(code.REFUSED_STREAM), "upstream-refused"],
  ["reset with PROTOCOL_ERROR", reset(code.PROTOCOL_ERROR), "upstream-protocol"],
  ["reset with HTTP_1_1_REQUIRED", reset(code.HTTP_1_1_REQUIRED), "upstream-protocol"],
  ["reset with NO_ERROR after the head", then(head, reset(code.NO_ERROR)), "upstream-reset"],
  ["refused after the head", then(head, reset(code.REFUSED_STREAM)), "upstream-reset"],
  ["reset with NO_ERROR within the body", then(part, reset(code.NO_ERROR)), "upstream-reset"],
  ["reset with NO_ERROR after the end", then(whole, reset(code.NO_ERROR)), "end"],
  ["reset with CANCEL after the end", then(whole, reset(code.CANCEL)), "end"],
  [
    "shorter than its length",
    frames(
      (id) => raw.headers(id, LONG_OK, false),
      (id) => raw.data(id, "hell", true),
    ),
    "upstream-protocol",
  ],
  [
    "longer than its length",
    frames(
      (id) => raw.headers(id, LONG_OK, false),
      (id) => raw.data(id, "hello!", true),
    ),
    "upstream-protocol",
  ],
  ["without the body of its length", frames((id) => raw.headers(id, LONG_OK)), "upstream-protocol"],
  [
    "ended by trailers before its length",
    frames(
      (id) => raw.headers(id, LONG_OK, false),
      (id) => raw.headers(id, ["a: 1"]),
    ),
    "upstream-protocol",
  ],
  ["data before the head", frames((id) => raw.data(id, "hello", true)), "upstream-protocol"],
  ["without a status", frames((id) => raw.headers(id, ["a: 1"])), "upstream-protocol"],
  ["with a field of a connection", frames((id) => raw.headers(id, [...OK, "connection: close"])), "upstream-protocol"],
  ["with a line feed in a field", frames((id) => raw.headers(id, [...OK, "a: b\nc: d"])), "upstream-protocol"],
  ["101", frames((id) => raw.headers(id, [":status: 101"])), "upstream-protocol"],
  ["a 1xx that ends the stream", frames((id) => raw.headers(id, [":status: 103"])), "upstream-protocol"],
  [
    "no end to 1xx",
    frames((id) => Buffer.concat(Array.from({ length: 20 }, () => raw.headers(id, [":status: 103"], false)))),
    "upstream-protocol",
  ],
  ["trailers only", frames((id) => raw.headers(id, [...OK, "grpc-status: 5"])), "end"],
];

const CONNECTION_ENDS: readonly (readonly [string, Say, ErrorCode | "end"])[] = [
  ["closed before an answer", end, "upstream-closed"],
  ["closed after the head", then(head, end), "upstream-closed"],
  ["closed within the body", then(part, end), "upstream-closed"],
  ["closed behind the end", then(whole, end), "end"],
  ["reset before an answer", cut, "upstream-reset"],
  ["a frame too large", frames(() => raw.rawFrame(0, 0, 1, Buffer.alloc(0), 20_000)), "upstream-protocol"],
  ["a push", frames((id) => raw.rawFrame(5, 4, id, Buffer.concat([raw.uint32(2), raw.block(raw.GET)]))), "upstream-protocol"],
  [
    "a header block that is none",
    frames((id) => raw.rawFrame(1, 5, id, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))),
    "upstream-protocol",
  ],
  ["a bad setting", frames(() => raw.settings([4, 0x8000_0000])), "upstream-protocol"],
  ["a flood of PING", frames(() => Buffer.concat(Array.from({ length: 5000 }, () => raw.ping()))), "upstream-protocol"],
  ["a flood of SETTINGS", frames(() => Buffer.concat(Array.from({ length: 5000 }, () => raw.settings()))), "upstream-protocol"],
  [
    "a flood of empty DATA",
    frames((id) => Buffer.concat([raw.headers(id, OK, false), ...Array.from({ length: 5000 }, () => raw.data(id, ""))])),
    "upstream-protocol",
  ],
  [
    "a flood of CONTINUATION",
    frames((id) =>
      Buffer.concat([raw.headers(id, OK, false, false), ...Array.from({ length: 5000 }, () => raw.continuation(id, ["a: 1"], false))]),
    ),
    "upstream-protocol",
  ],
];

describe("an HTTP/2 response that is", () => {
  for (const [name, say, expected] of STREAM_ENDS) {
    test(`${name}: ${expected}`, async () => {
      const { port, sockets } = await serve({ onRequest: (connection, id, count) => (count === 0 ? say : whole)(connection, id) });
      const notes = new Notes().start(bench.connector, http2TargetOf(port));
      assert.equal(await notes.over, expected, notes.detail);
      const { length } = notes.events;
      // Only the stream has suffered.
      const next = new Notes().start(bench.connector, http2TargetOf(port));
      assert.equal(await next.over, "end", next.detail);
      assert.equal(sockets.length, 1);
      assert.equal(notes.events.length, length, "nothing is reported after the end");
    });
  }
});

test("a response beyond its window, which a stopped caller has not opened again, is upstream-protocol", async () => {
  const flood: Say = ({ send }, id) =>
    send(raw.headers(id, OK, false), ...Array.from({ length: 40 }, () => raw.data(id, Buffer.alloc(16_384))));
  const { port } = await serve({ onRequest: flood });
  const notes = new Notes();
  notes.onHead = () => notes.call?.pause();
  notes.start(bench.connector, http2TargetOf(port));
  assert.equal(await notes.over, "upstream-protocol");
  assert.equal(notes.detail, "stream-window-exceeded");
});

describe("an HTTP/2 connection with", () => {
  for (const [name, say, expected] of CONNECTION_ENDS) {
    test(`${name}: ${expected}`, async () => {
      const { port, sockets } = await serve({ onRequest: (connection, id) => (connection.index === 0 ? say : whole)(connection, id) });
      const target = http2TargetOf(port);
      const notes = new Notes().start(bench.connector, target);
      assert.equal(await notes.over, expected, notes.detail);
      await until(() => bench.connector.stats().connections === 0, "the connection to be gone");
      const next = new Notes().start(bench.connector, target);
      assert.equal(await next.over, "end", next.detail);
      assert.equal(sockets.length, 2);
    });
  }

  test("a service that speaks no HTTP/2 at all: upstream-protocol", async () => {
    server = await startRawServer((socket) =>
      socket.on("data", () => socket.write("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")),
    );
    const notes = new Notes().start(bench.connector, http2TargetOf(server.port));
    assert.equal(await notes.over, "upstream-protocol", notes.detail);
  });

  test("a service that closes before its SETTINGS: connect-failed, whatever waits", async () => {
    server = await startRawServer((socket) => socket.on("data", () => socket.destroy()));
    const { port } = server;
    const all = Array.from({ length: 5 }, () => new Notes().start(bench.connector, http2TargetOf(port)));
    for (const notes of all) assert.equal(await notes.over, "connect-failed", notes.detail);
    assert.equal(server.sockets.length, 1);
    assert.ok(all.every((notes) => !notes.events.includes("connected")));
  });

  test("a service that never says SETTINGS: connect-timeout", async () => {
    const { port } = await serve({ settings: null });
    const all = Array.from({ length: 5 }, () => new Notes().start(bench.connector, http2TargetOf(port, { connectTimeoutMs: 100 })));
    for (const notes of all) assert.equal(await notes.over, "connect-timeout", notes.detail);
    await until(() => bench.connector.stats().connections === 0, "the connection to be gone");
  });

  test("nobody there: connect-failed, in a later turn", async () => {
    const { port } = await serve({});
    await server?.close();
    server = null;
    const notes = new Notes().start(bench.connector, http2TargetOf(port));
    assert.deepEqual(notes.events, ["started"]);
    assert.equal(await notes.over, "connect-failed", notes.detail);
    assert.equal(bench.connector.stats().pools, 0);
  });

  test("a service that has died since the last exchange: upstream-stale for what it cannot have seen", async () => {
    const { port } = await serve({ onRequest: (connection, id, count) => (count === 0 ? whole : cut)(connection, id) });
    await new Notes().start(bench.connector, http2TargetOf(port)).over;
    const notes = new Notes().start(bench.connector, http2TargetOf(port));
    assert.deepEqual(notes.events, ["connected", "started"]);
    assert.equal(await notes.over, "upstream-stale", notes.detail);
  });
});

describe("GOAWAY", () => {
  test("refuses what the service has not looked at; the rest goes on, and others find another connection", async () => {
    let first: RawConnection | null = null;
    const { port, sockets } = await serve({
      onRequest: (connection, id, count) => {
        if (connection.index === 1) return connection.send(answer(id, "second"));
        first = connection;
        if (count === 2) connection.send(raw.goAway(3, code.NO_ERROR));
      },
    });
    const [a, b, c] = Array.from({ length: 3 }, () => new Notes().start(bench.connector, http2TargetOf(port))) as [Notes, Notes, Notes];
    assert.equal(await c.over, "upstream-refused", c.detail);
    const next = new Notes().start(bench.connector, http2TargetOf(port));
    assert.equal(await next.over, "end", next.detail);
    assert.equal(next.body, "second");
    assert.deepEqual([a.events.includes("error"), b.events.includes("error")], [false, false]);
    (first as RawConnection | null)?.send(answer(1, "a"), answer(3, "b"));
    assert.deepEqual([await a.over, await b.over, a.body, b.body], ["end", "end", "a", "b"]);
    await until(() => bench.connector.stats().connections === 1, "the draining connection to be gone");
    await until(() => sockets[0]?.destroyed === true, "its socket to be closed");
  });

  test("ahead of time, with the highest number, drains as well", async () => {
    const { port, sockets } = await serve({
      onRequest: (connection, id) => connection.send(raw.goAway(0x7fff_ffff, code.NO_ERROR), answer(id)),
    });
    for (let i = 0; i < 3; i++) {
      const notes = new Notes().start(bench.connector, http2TargetOf(port, { maxConnections: 1 }));
      assert.equal(await notes.over, "end", notes.detail);
    }
    assert.equal(sockets.length, 3);
  });

  test("a connection that drains does not keep others from being opened", async () => {
    const { port } = await serve({
      // Once only: a second GOAWAY must not name a higher stream, and the next request may still come here.
      onRequest: (connection, id) => {
        if (connection.index > 0) connection.send(answer(id));
        else if (id === 1) connection.send(raw.goAway(id, code.NO_ERROR));
      },
    });
    const target = http2TargetOf(port, { maxConnections: 1 });
    const long = new Notes().start(bench.connector, target);
    await until(() => bench.connector.stats().streams === 1, "the first request");
    let next = new Notes().start(bench.connector, target);
    // The GOAWAY may still be on its way: then the request is refused, as a caller may have it repeated.
    if ((await next.over) === "upstream-refused") next = new Notes().start(bench.connector, target);
    assert.equal(await next.over, "end", next.detail);
    assert.equal(long.events.includes("error"), false);
  });
});

describe("SETTINGS", () => {
  const MAX_STREAMS = 3;
  const WINDOW = 4;

  test("that allow few streams: requests wait for each other, and no stream too many is opened", async () => {
    let open = 0;
    let most = 0;
    const { port, sockets } = await serve({
      settings: [MAX_STREAMS, 2],
      onRequest: (connection, id) => {
        most = Math.max(most, ++open);
        setImmediate(() => {
          open--;
          connection.send(answer(id));
        });
      },
    });
    const all = Array.from({ length: 50 }, () => new Notes().start(bench.connector, http2TargetOf(port, { maxConnections: 1 })));
    for (const notes of all) assert.equal(await notes.over, "end", notes.detail);
    assert.deepEqual([sockets.length, most], [1, 2]);
  });

  test("that allow few streams: further connections are opened up to the limit", async () => {
    const { port, sockets } = await serve({ settings: [MAX_STREAMS, 2] });
    const all = Array.from({ length: 9 }, () =>
      new Notes().start(bench.connector, http2TargetOf(port, { maxConnections: 3, connectTimeoutMs: 300 })),
    );
    await until(() => bench.connector.stats().streams === 6, "six streams");
    assert.deepEqual([sockets.length, bench.connector.stats().waitingRequests], [3, 3]);
    assert.deepEqual(await Promise.all(all.slice(6).map((notes) => notes.over)), Array(3).fill("upstream-overflow"));
  });

  test("that change while requests are under way are followed", async () => {
    let held: RawConnection | null = null;
    const { port } = await serve({
      settings: [MAX_STREAMS, 1],
      onRequest: (connection, id) => {
        held = connection;
        if (id > 1) connection.send(answer(id));
      },
    });
    const first = new Notes().start(bench.connector, http2TargetOf(port, { maxConnections: 1 }));
    await until(() => held !== null, "the first request");
    const others = Array.from({ length: 5 }, () => new Notes().start(bench.connector, http2TargetOf(port, { maxConnections: 1 })));
    assert.equal(bench.connector.stats().waitingRequests, 5);
    (held as RawConnection | null)?.send(raw.settings([MAX_STREAMS, 10]));
    for (const notes of others) assert.equal(await notes.over, "end", notes.detail);
    assert.equal(first.events.includes("error"), false);
  });

  test("with a window of nothing hold a body back until there is one", async () => {
    const { port } = await serve({
      settings: [WINDOW, 0],
      onRequest: (connection, id) => {
        assert.equal(
          connection.frames.some((frame) => frame.type === 0),
          false,
        );
        connection.send(raw.windowUpdate(id, 2));
      },
      onFrame: (connection, { type, streamId, flags, payload }) => {
        if (type !== 0) return;
        if ((flags & 1) !== 0) connection.send(answer(streamId));
        else connection.send(raw.windowUpdate(streamId, payload.length));
      },
    });
    const notes = new Notes();
    notes.onConnected = () => {
      setImmediate(() => {
        assert.equal(notes.call?.write(Buffer.from("0123456789")), false);
        notes.call?.end();
      });
    };
    notes.start(bench.connector, http2TargetOf(port), requestOf({ method: "POST", bodyLength: -1 }));
    assert.equal(await notes.over, "end", notes.detail);
    const data = server === null ? [] : notes.events;
    assert.equal(data.includes("drain"), false, "the body had been ended");
  });
});

test("a service that does not read is read from all the same: else both would wait for ever", async () => {
  const BYTES = 200_000;
  const { port } = await serve({
    settings: [4, 0x7fff_ffff],
    onConnection: ({ send }) => send(raw.windowUpdate(0, 0x7000_0000)),
    onRequest: (connection, id) => {
      connection.socket.pause();
      connection.send(raw.headers(id, OK, false));
      void until(() => isStuck, "the upload to be stuck").then(() => {
        for (let sent = 0; sent < BYTES; sent += 10_000) connection.send(raw.data(id, Buffer.alloc(10_000)));
      });
    },
  });
  let isStuck = false;
  let stuckSince = 0;
  const notes = new Notes();
  const upload = (): void => {
    stuckSince = performance.now();
    while (notes.call?.write(Buffer.alloc(65_536)) === true) stuckSince = performance.now();
  };
  notes.onConnected = () => setImmediate(upload);
  notes.onDrain = upload;
  notes.start(bench.connector, http2TargetOf(port), requestOf({ method: "POST", bodyLength: -1 }));
  await until(() => stuckSince > 0 && performance.now() - stuckSince > 200, "no drain for a while");
  isStuck = true;
  await until(() => notes.bodyBytes === BYTES, "the answer");
  notes.call?.abort();
});

describe("requests that wait", () => {
  test("are as many as allowed, and one for each connect", async () => {
    const { port } = await serve({ settings: null });
    const target = http2TargetOf(port, { maxPendingRequests: 2, maxConnections: 1 });
    const all = Array.from({ length: 4 }, () => new Notes().start(bench.connector, target));
    assert.equal(await (all[3] as Notes).over, "upstream-overflow");
    assert.equal(bench.connector.stats().waitingRequests, 3);
  });

  test("may be none: who opens a connection is not one of them", async () => {
    const { port } = await serve({ onRequest: whole });
    const notes = new Notes().start(bench.connector, http2TargetOf(port, { maxPendingRequests: 0 }));
    assert.equal(await notes.over, "end", notes.detail);
  });

  test("leave the queue when they are given up", async () => {
    let connection: RawConnection | null = null;
    const { port } = await serve({
      settings: null,
      onConnection: (opened) => {
        connection = opened;
      },
      onRequest: whole,
    });
    const [a, b] = Array.from({ length: 2 }, () => new Notes().start(bench.connector, http2TargetOf(port))) as [Notes, Notes];
    a.call?.abort();
    await until(() => connection !== null, "the connection");
    (connection as RawConnection | null)?.send(raw.settings());
    assert.equal(await b.over, "end", b.detail);
    assert.deepEqual([a.events, bench.connector.stats().waitingRequests], [["started"], 0]);
  });
});

describe("time", () => {
  const pings = ({ frames }: RawConnection): number => frames.filter(({ type, flags }) => type === 6 && flags === 0).length;

  test("a connection that falls silent is pinged, and dead without an answer", async () => {
    let connection: RawConnection | null = null;
    const { port } = await serve({
      onRequest: (opened) => {
        connection = opened;
      },
    });
    const notes = new Notes().start(
      bench.connector,
      http2TargetOf(port, { http2: { maxConcurrentStreams: 9, streamWindowBytes: 65_535, maxStreamWindowBytes: 65_535, pingMs: 50 } }),
    );
    assert.equal(await notes.over, "upstream-closed", notes.detail);
    assert.match(notes.detail, /ping/);
    assert.equal(connection === null ? 0 : pings(connection), 1);
    await until(() => bench.connector.stats().connections === 0, "the connection to be gone");
  });

  test("a connection that answers pings lives on, and is not pinged over and over in one silence", async () => {
    let connection: RawConnection | null = null;
    const { port } = await serve({
      onRequest: (opened) => {
        connection = opened;
      },
      onFrame: ({ send }, { type, flags, payload }) => {
        if (type === 6 && flags === 0) send(raw.rawFrame(6, 1, 0, payload));
      },
    });
    const notes = new Notes().start(
      bench.connector,
      http2TargetOf(port, { http2: { maxConcurrentStreams: 9, streamWindowBytes: 65_535, maxStreamWindowBytes: 65_535, pingMs: 20 } }),
    );
    const startedAt = performance.now();
    await until(() => connection !== null && performance.now() - startedAt > 400, "twenty times the interval");
    assert.equal(notes.events.includes("error"), false);
    assert.equal(connection === null ? 0 : pings(connection), 1);
    (connection as RawConnection | null)?.send(answer(1));
    assert.equal(await notes.over, "end", notes.detail);
  });

  test("an idle connection is closed in good order after its time", async () => {
    let connection: RawConnection | null = null;
    const { port } = await serve({
      onConnection: (opened) => {
        connection = opened;
      },
      onRequest: whole,
    });
    const notes = new Notes().start(bench.connector, http2TargetOf(port, { keepAliveMs: 50 }));
    assert.equal(await notes.over, "end", notes.detail);
    await until(() => bench.connector.stats().connections === 0, "the connection to be gone");
    const { socket, frames } = connection as unknown as RawConnection;
    await until(() => socket.destroyed || socket.readableEnded, "its end");
    assert.deepEqual(raw.describeFrame(frames.at(-1) as raw.RawFrame).split(" ")[0], "GOAWAY");
    assert.equal(bench.connector.stats().pools, 0);
  });

  test("an old connection takes no further request, and ends when it has none", async () => {
    const held: (() => void)[] = [];
    const { port, sockets } = await serve({
      onRequest: (connection, id) => {
        if (connection.index > 0) whole(connection, id);
        else held.push(() => whole(connection, id));
      },
    });
    const target = http2TargetOf(port, { connectionAgeMs: 50 });
    const long = new Notes().start(bench.connector, target);
    await until(() => held.length === 1, "the first request");
    const others: Notes[] = [];
    await until(() => {
      others.push(new Notes().start(bench.connector, target));
      return sockets.length > 1;
    }, "a second connection");
    held.forEach((release) => release());
    assert.equal(await long.over, "end", long.detail);
    await until(() => {
      held.splice(0).forEach((release) => release());
      return sockets[0]?.destroyed === true;
    }, "the first connection to be closed");
    for (const notes of others) assert.equal(await notes.over, "end", notes.detail);
  });
});
