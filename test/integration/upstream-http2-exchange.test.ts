import assert from "node:assert/strict";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { Http2Service } from "../support/http2-service.js";
import { startHttp2Service } from "../support/http2-service.js";
import { http2TargetOf, Notes, requestOf, startConnector, until } from "../unit/upstream/support.js";

let bench: ReturnType<typeof startConnector>;
let service: Http2Service | null = null;

beforeEach(() => {
  bench = startConnector();
});
afterEach(async () => {
  bench.close();
  await service?.close();
  service = null;
});

type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

async function serve(onStream: OnStream): Promise<Http2Service> {
  service = await startHttp2Service(onStream);
  return service;
}

/** Answers with what was asked. */
const echo: OnStream = (stream, headers) => {
  stream.respond({ ":status": 200, "x-asked": JSON.stringify(headers) });
  stream.pipe(stream);
};

describe("an exchange over HTTP/2", () => {
  test("delivers head, body and end, in that order, and never from within start", async () => {
    const { port } = await serve((stream) => {
      stream.respond({ ":status": 200, "content-length": "5", "x-a": "1" });
      stream.end("hello");
    });
    const notes = new Notes().start(bench.connector, http2TargetOf(port));
    assert.deepEqual(notes.events, ["started"]);
    assert.equal(await notes.over, "end", notes.detail);
    const events = notes.events.filter((event) => event !== "read-end");
    assert.deepEqual(events, ["started", "connected", "head", "body", "end"]);
    assert.deepEqual([notes.status, notes.bodyLength, notes.body, notes.trailers], [200, 5, "hello", null]);
    assert.deepEqual(notes.headers.slice(0, 2), ["x-a", "1"]);
  });

  test("asks for what it was told, as HTTP/2 says it", async () => {
    const { port } = await serve(echo);
    const headers = ["accept", "*/*", "cookie", "a=b; c=d", "x-latin", "\xe9", "x-blank", " v\t"];
    const request = requestOf({ method: "PUT", target: "/a?b=c", authority: "a.test:81", headers, bodyLength: 3, acceptsTrailers: true });
    const notes = new Notes();
    notes.onConnected = () => {
      setImmediate(() => {
        notes.call?.write(Buffer.from("abc"));
        notes.call?.end();
      });
    };
    notes.start(bench.connector, http2TargetOf(port), request);
    assert.equal(await notes.over, "end", notes.detail);
    const asked = JSON.parse(Buffer.from(notes.headers[notes.headers.indexOf("x-asked") + 1] as string, "latin1").toString());
    assert.deepEqual(
      [asked[":method"], asked[":path"], asked[":authority"], asked[":scheme"], asked["content-length"], asked.te],
      ["PUT", "/a?b=c", "a.test:81", "http", "3", "trailers"],
    );
    assert.deepEqual([asked.accept, asked.cookie, asked["x-blank"]], ["*/*", "a=b; c=d", "v"]);
    assert.equal(notes.body, "abc");
  });

  test("shares its connection with others, and they share one connect", async () => {
    const { port, sessions } = await serve(echo);
    const all = Array.from({ length: 100 }, (_, i) =>
      new Notes().start(bench.connector, http2TargetOf(port), requestOf({ target: `/${i}` })),
    );
    assert.deepEqual(new Set(await Promise.all(all.map((notes) => notes.over))), new Set(["end"]));
    assert.equal(sessions(), 1);
    const later = new Notes().start(bench.connector, http2TargetOf(port));
    assert.deepEqual(later.events, ["connected", "started"]);
    assert.equal(await later.over, "end");
    await until(() => bench.connector.stats().idleConnections === 1, "an idle connection");
    assert.deepEqual([bench.connector.stats().openedConnections, bench.connector.stats().streams], [1, 0]);
  });

  test("of HEAD, and one without content, ends with its head", async () => {
    const { port } = await serve((stream, headers) => {
      stream.respond({
        ":status": headers[":method"] === "HEAD" ? 200 : 204,
        ...(headers[":method"] === "HEAD" && { "content-length": "9" }),
      });
      stream.end();
    });
    const lengths = [];
    for (const method of ["HEAD", "GET"]) {
      const notes = new Notes().start(bench.connector, http2TargetOf(port), requestOf({ method }));
      assert.equal(await notes.over, "end", notes.detail);
      lengths.push(notes.bodyLength, notes.bodyBytes);
    }
    assert.deepEqual(lengths, [9, 0, 0, 0]);
  });

  test("hands on 1xx but 100, and trailers both ways", async () => {
    let received: unknown = null;
    const { port } = await serve((stream) => {
      stream.additionalHeaders({ ":status": 100 });
      stream.additionalHeaders({ ":status": 103, link: "</a.css>" });
      stream.on("trailers", (trailers) => {
        received = Object.fromEntries(Object.entries(trailers));
      });
      stream.resume();
      stream.on("end", () => {
        stream.respond({ ":status": 200 }, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "1" }));
        stream.end("abc");
      });
    });
    for (const bodyLength of [-1, 3]) {
      const notes = new Notes();
      notes.onConnected = () => {
        setImmediate(() => {
          notes.call?.write(Buffer.from("xyz"));
          notes.call?.end(["x-check", "2"]);
        });
      };
      notes.start(bench.connector, http2TargetOf(port), requestOf({ method: "POST", bodyLength }));
      assert.equal(await notes.over, "end", notes.detail);
      assert.deepEqual(notes.interim, [[103, "link", "</a.css>"]]);
      assert.deepEqual(received, { "x-check": "2" });
      assert.deepEqual([notes.body, notes.trailers], ["abc", ["x-sum", "1"]]);
    }
  });

  test("with a request that cannot be encoded fails later, without a connection", async () => {
    const { port, sessions } = await serve(echo);
    for (const change of [
      { headers: ["x", "a\r\nb: c"] },
      { headers: ["x", "\u010a"] },
      { target: "/a b" },
      { method: "" },
      { authority: "a\n" },
    ]) {
      const notes = new Notes().start(bench.connector, http2TargetOf(port), requestOf(change));
      assert.deepEqual(notes.events, ["started"]);
      assert.equal(await notes.over, "internal");
    }
    assert.equal(sessions(), 0);
  });

  test("does not become a WebSocket", async () => {
    const { port } = await serve(echo);
    const notes = new Notes().start(bench.connector, http2TargetOf(port), requestOf({ isWebSocket: true }));
    assert.equal(await notes.over, "upgrade-not-supported");
  });
});

describe("a request body over HTTP/2", () => {
  const MIB = 1024 * 1024;

  test("of any size arrives whole, with room made by the service's windows", async () => {
    const { port } = await serve((stream) => {
      let byteCount = 0;
      stream.on("data", (bytes: Buffer) => {
        byteCount += bytes.length;
      });
      stream.on("end", () => {
        stream.respond({ ":status": 200 });
        stream.end(String(byteCount));
      });
    });
    for (const bodyLength of [8 * MIB, -1]) {
      const notes = new Notes();
      let left = 8 * MIB;
      const send = (): void => {
        while (left > 0) {
          const chunk = Buffer.alloc(Math.min(left, 100_000), 120);
          left -= chunk.length;
          if (notes.call?.write(chunk) === false) return;
        }
        notes.call?.end();
      };
      notes.onConnected = () => setImmediate(send);
      notes.onDrain = send;
      notes.start(bench.connector, http2TargetOf(port), requestOf({ method: "POST", bodyLength }));
      assert.equal(await notes.over, "end", notes.detail);
      assert.equal(notes.body, String(8 * MIB));
    }
  });

  test("longer or shorter than announced ends the attempt and its stream, not its connection", async () => {
    const codes: number[] = [];
    const { port } = await serve((stream) => {
      stream.on("error", () => undefined);
      stream.on("close", () => codes.push(stream.rstCode));
    });
    for (const size of [2, 4]) {
      const notes = new Notes();
      notes.onConnected = () => {
        setImmediate(() => {
          notes.call?.write(Buffer.alloc(size));
          notes.call?.end();
        });
      };
      notes.start(bench.connector, http2TargetOf(port), requestOf({ method: "POST", bodyLength: 3 }));
      assert.equal(await notes.over, "internal");
    }
    await until(() => codes.length === 2, "both streams to be reset");
    assert.deepEqual(codes, [8, 8]);
    assert.equal(bench.connector.stats().connections, 1);
  });

  test("may be overtaken by the response: what is left of it is given up quietly", async () => {
    const codes: number[] = [];
    const { port } = await serve((stream) => {
      stream.respond({ ":status": 413 });
      stream.end("no");
      stream.on("close", () => codes.push(stream.rstCode));
      stream.on("error", () => undefined);
    });
    const notes = new Notes();
    notes.onConnected = () => setImmediate(() => notes.call?.write(Buffer.alloc(10)));
    notes.start(bench.connector, http2TargetOf(port), requestOf({ method: "POST", bodyLength: 1000 }));
    assert.equal(await notes.over, "end", notes.detail);
    assert.deepEqual([notes.status, notes.body], [413, "no"]);
    await until(() => codes.length === 1, "the stream to be closed");
    assert.equal(bench.connector.stats().connections, 1);
  });
});

describe("a response over HTTP/2", () => {
  test("that is not taken stops at its window, stalls no other, and goes on", async () => {
    let sent = 0;
    const { port } = await serve((stream, headers) => {
      stream.respond({ ":status": 200 });
      if (headers[":path"] !== "/long") return stream.end("short");
      const chunk = Buffer.alloc(65_536);
      const more = (): void => {
        while (sent < 8_388_608) {
          sent += chunk.length;
          if (!stream.write(chunk)) return;
        }
        stream.end();
      };
      stream.on("drain", more);
      more();
    });
    const slow = Array.from({ length: 20 }, () => {
      const notes = new Notes();
      notes.onHead = () => notes.call?.pause();
      return notes.start(bench.connector, http2TargetOf(port), requestOf({ target: "/long" }));
    });
    await until(() => sent > 1_000_000, "windows to fill");
    for (let i = 0; i < 50; i++) {
      const notes = new Notes().start(bench.connector, http2TargetOf(port));
      assert.equal(await notes.over, "end", notes.detail);
    }
    assert.ok(slow.every((notes) => notes.bodyBytes === 0));
    assert.ok(sent < 8_388_608, `${sent} bytes were taken`);
    for (const notes of slow) notes.call?.resume();
    assert.deepEqual(new Set(await Promise.all(slow.map((notes) => notes.over))), new Set(["end"]));
    assert.ok(slow.reduce((sum, notes) => sum + notes.bodyBytes, 0) >= 8_388_608);
  });

  test("that is stopped and resumed again and again arrives whole and in order", async () => {
    const text = Array.from({ length: 20_000 }, (_, i) => `${i},`).join("");
    const { port } = await serve((stream) => {
      stream.respond({ ":status": 200 }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-end": "1" }));
      stream.end(text);
    });
    const notes = new Notes();
    let body = "";
    notes.onBody = (chunk) => {
      body += Buffer.from(chunk).toString();
      notes.call?.pause();
      setImmediate(() => notes.call?.resume());
    };
    notes.start(
      bench.connector,
      http2TargetOf(port, { http2: { maxConcurrentStreams: 1, streamWindowBytes: 65_535, maxStreamWindowBytes: 65_535, pingMs: 0 } }),
    );
    assert.equal(await notes.over, "end", notes.detail);
    assert.equal(body, text);
    assert.deepEqual(notes.trailers, ["x-end", "1"]);
  });

  test("that is held back is delivered although its connection has gone", async () => {
    const { port, destroyAll } = await serve((stream) => {
      stream.respond({ ":status": 200 });
      stream.end("hello");
    });
    const notes = new Notes();
    notes.onHead = () => notes.call?.pause();
    notes.start(bench.connector, http2TargetOf(port));
    await until(() => bench.connector.stats().idleConnections === 1, "the response to have come");
    destroyAll();
    await until(() => bench.connector.stats().connections === 0, "the connection to be gone");
    notes.call?.resume();
    assert.equal(await notes.over, "end", notes.detail);
    assert.equal(notes.body, "hello");
  });

  test("that is given up is cancelled, and nothing more is reported", async () => {
    const codes: number[] = [];
    const { port } = await serve((stream) => {
      stream.respond({ ":status": 200 });
      stream.write("a");
      stream.on("error", () => undefined);
      stream.on("close", () => codes.push(stream.rstCode));
    });
    const notes = new Notes().start(bench.connector, http2TargetOf(port));
    await until(() => notes.events.includes("body"), "body");
    notes.call?.abort();
    const { length } = notes.events;
    await until(() => codes.length === 1, "the stream to be closed");
    notes.call?.abort();
    assert.equal(notes.call?.write(Buffer.from("x")), true);
    notes.call?.end();
    notes.call?.pause();
    notes.call?.resume();
    assert.deepEqual(codes, [8]);
    assert.equal(notes.events.length, length);
    assert.equal(bench.connector.stats().connections, 1);
  });

  test("that is given up from within a callback reports nothing more", async () => {
    const { port } = await serve((stream) => {
      stream.on("error", () => undefined);
      stream.additionalHeaders({ ":status": 103 });
      stream.respond({ ":status": 200 }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ a: "1" }));
      stream.end("abc");
    });
    for (const when of ["onConnected", "onInterim", "onHead", "onBody", "onReadEnd"] as const) {
      const notes = new Notes();
      const { events } = notes;
      for (const name of ["onConnected", "onInterim", "onHead", "onBody", "onReadEnd"] as const) {
        notes[name] = () => {
          events.push(name);
          if (name === when) notes.call?.abort();
        };
      }
      notes.start(bench.connector, http2TargetOf(port));
      await until(() => events.includes(when), when);
      await until(() => bench.connector.stats().streams === 0, "the stream to be gone");
      assert.equal(events.at(-1), when, events.join());
    }
  });
});
