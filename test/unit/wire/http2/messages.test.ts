/** What makes a message malformed (RFC 9113 §8), and what a good one looks like to its receiver. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Http2RequestHead } from "../../../../src/wire/http2/events.js";
import { GET_REQUEST, Probe } from "./probe.js";
import * as raw from "./raw-frames.js";

/** GET with some pseudo-fields changed ("": left out) and fields added. */
function request(changes: Readonly<Record<string, string | null>>, ...fields: string[]): string[] {
  const pseudo: Record<string, string | null> = {
    ":method": "GET",
    ":scheme": "https",
    ":authority": "a.example",
    ":path": "/",
    ...changes,
  };
  return [...Object.entries(pseudo).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`])), ...fields];
}

const CONNECT = { ":method": "CONNECT", ":scheme": null, ":path": null };
const EXTENDED = { ":method": "CONNECT", ":protocol": "websocket" };

const MALFORMED: Readonly<Record<string, readonly string[]>> = {
  "bad-field-name": ["X: y", "x y: z", "x\u0000: y", "é: y"],
  "bad-field-value": ["x: a\rb", "x: a\nb", "x: a\0b", "x:  a", "x: a ", "x: a\t", "x: \u007f", "x: \u0001"],
  "connection-field": ["connection: x", "keep-alive: 5", "proxy-connection: x", "transfer-encoding: chunked", "upgrade: websocket"],
  "bad-te": ["te: gzip", "te: Trailers", "te: trailers, gzip", "te: "],
  "bad-content-length": ["content-length: ", "content-length: -1", "content-length: +1", "content-length: 1, 1", "content-length: 0x1"],
  "authority-and-host": ["host: b.example"],
};

const MALFORMED_PSEUDO: readonly (readonly [string, readonly string[]])[] = [
  ["missing-pseudo-field", request({ ":method": null })],
  ["missing-pseudo-field", request({ ":scheme": null })],
  ["missing-pseudo-field", request({ ":path": null })],
  ["missing-pseudo-field", request({ ":authority": null })],
  ["missing-pseudo-field", request({ ...CONNECT, ":authority": null })],
  ["repeated-pseudo-field", [":path: /", ...request({})]],
  ["repeated-pseudo-field", [":authority: a.example", ...request({})]],
  ["repeated-pseudo-field", [":protocol: x", ...request(EXTENDED)]],
  ["misplaced-pseudo-field", request({}, "x: y", ":path: /")],
  ["misplaced-pseudo-field", request({ ":path": null }, "x: y", ":path: /")],
  ["unknown-pseudo-field", request({ ":status": "200" })],
  ["unknown-pseudo-field", request({ ":x": "y" })],
  ["forbidden-pseudo-field", request({ ...CONNECT, ":path": "/" })],
  ["forbidden-pseudo-field", request({ ...CONNECT, ":scheme": "https" })],
  ["forbidden-pseudo-field", request({ ":protocol": "websocket" })],
  ["missing-pseudo-field", request({ ...EXTENDED, ":path": null })],
  ["missing-pseudo-field", request({ ...EXTENDED, ":scheme": null })],
  ["bad-protocol", request({ ...EXTENDED, ":protocol": "web socket" })],
  ["bad-method", request({ ":method": "G T" })],
  ["bad-method", request({ ":method": "" })],
  ["bad-scheme", request({ ":scheme": "" })],
  ["bad-scheme", request({ ":scheme": "ht tp" })],
  ["bad-scheme", request({ ":scheme": "https://x" })],
  ["bad-authority", request({ ":authority": "" })],
  ["bad-authority", request({ ":authority": "user@a.example" })],
  ["bad-authority", request({ ":authority": "a.example/x" })],
  ["bad-authority", request({ ":authority": "a b" })],
  ["bad-authority", request({ ":authority": "a\r\nb" })],
  ["bad-path", request({ ":path": "" })],
  ["bad-path", request({ ":path": "x" })],
  ["bad-path", request({ ":path": "*" })],
  ["bad-path", request({ ":path": "http://a.example/" })],
  ["bad-path", request({ ":path": "/a b" })],
  ["bad-path", request({ ":path": "/a\r\nb" })],
  ["bad-path", request({ ":path": "/a#b" })],
  ["repeated-content-length", request({}, "content-length: 0", "content-length: 0")],
  ["length-mismatch", request({}, "content-length: 1")],
  ["authority-and-host", request({}, "host: a.example", "host: a.example")],
];

const GOOD: readonly (readonly [string, readonly string[], Partial<Http2RequestHead>])[] = [
  [
    "plain",
    request({}, "x: y"),
    { method: "GET", scheme: "https", authority: "a.example", path: "/", protocol: "", headers: ["x", "y"], bodyLength: 0 },
  ],
  ["Host instead of :authority", request({ ":authority": null }, "host: b.example:8080"), { authority: "b.example:8080", headers: [] }],
  ["both, the same", request({}, "host: A.example"), { authority: "a.example", headers: [] }],
  ["OPTIONS *", request({ ":method": "OPTIONS", ":path": "*" }), { path: "*" }],
  ["CONNECT", request({ ...CONNECT, ":authority": "a:443" }), { method: "CONNECT", authority: "a:443", path: "", scheme: "" }],
  ["extended CONNECT", request(EXTENDED), { method: "CONNECT", protocol: "websocket", path: "/", scheme: "https" }],
  ["crumbs of cookies", request({}, "cookie: a=b", "x: y", "cookie: c=d"), { headers: ["cookie", "a=b; c=d", "x", "y"] }],
  ["te: trailers", request({}, "te: trailers"), { acceptsTrailers: true, headers: [] }],
  ["empty values", request({}, "x: "), { headers: ["x", ""] }],
  ["bytes beyond ASCII and TAB inside", request({}, "x: é\tü"), { headers: ["x", "é\tü"] }],
  ["an odd scheme with an odd path", request({ ":scheme": "urn", ":path": "x:y" }), { path: "x:y" }],
  ["an IPv6 authority", request({ ":authority": "[::1]:443" }), { authority: "[::1]:443" }],
];

function refused(fields: readonly string[]): string {
  const probe = Probe.ready("server").feed(raw.headers(1, fields));
  assert.equal(probe.refusal(), "");
  assert.equal(probe.connection.openStreams, 0);
  assert.deepEqual(probe.frames(), ["RST_STREAM 1 PROTOCOL_ERROR"]);
  return probe.events.join();
}

describe("a request", () => {
  for (const [reason, fields] of Object.entries(MALFORMED)) {
    for (const field of fields) {
      it(`with ${JSON.stringify(field)} is refused: ${reason}`, () => {
        const probe = Probe.ready("server").feed(raw.headers(1, request({}, field)));
        assert.equal(probe.events.join(), `refused 1 ${reason} PROTOCOL_ERROR`);
      });
    }
  }

  for (const [reason, fields] of MALFORMED_PSEUDO) {
    it(`${JSON.stringify(fields.join(", "))} is refused: ${reason}`, () => {
      assert.equal(refused(fields), `refused 1 ${reason} PROTOCOL_ERROR`);
    });
  }

  for (const [name, fields, expected] of GOOD) {
    it(`${name} is accepted`, () => {
      const probe = Probe.ready("server").feed(raw.headers(1, fields));
      const head = probe.heads.get(1);
      assert.ok(head !== undefined, probe.events.join());
      assert.deepEqual({ ...head, ...expected }, head);
    });
  }

  it("with a field without a name is refused: bad-field-name", () => {
    const block = Buffer.concat([raw.block(raw.GET), Buffer.from([0, 0, 1, 0x61])]);
    assert.equal(
      Probe.ready("server")
        .feed(raw.rawFrame(1, 5, 1, block))
        .events.join(),
      "refused 1 bad-field-name PROTOCOL_ERROR",
    );
  });

  it(":protocol is refused unless the server has announced it", () => {
    const probe = Probe.ready("server", { allowsExtendedConnect: false }).feed(raw.headers(1, request(EXTENDED)));
    assert.equal(probe.events.join(), "refused 1 forbidden-pseudo-field PROTOCOL_ERROR");
  });

  it("over the limit of the list can be answered, and the connection goes on", () => {
    const probe = Probe.ready("server", { maxListBytes: 300 });
    probe.feed(raw.headers(1, request({}, `x: ${"y".repeat(300)}`), false), raw.data(1, "body"), raw.data(1, "body", true));
    assert.deepEqual(probe.events, ["oversized 1"]);
    probe.connection.sendResponse(probe.stream(1), { status: 431, headers: [], bodyLength: 0 }, true);
    assert.deepEqual(probe.frames(), ["HEADERS 1 END"]);
    assert.equal(probe.feed(raw.headers(3, raw.GET)).events.at(-1), "request 3 GET / END");
  });

  it("with too many fields can be answered", () => {
    const probe = Probe.ready("server", { maxFields: 10 }).feed(
      raw.headers(1, request({}, ...Array.from({ length: 7 }, (_, i) => `x${i}: y`))),
    );
    assert.deepEqual(probe.events, ["oversized 1"]);
  });
});

describe("the length of a request", () => {
  const start = (length: number) => Probe.ready("server").feed(raw.headers(1, [...raw.POST, `content-length: ${length}`], false));
  const LONG = "reset 1 length-mismatch PROTOCOL_ERROR";

  it("is kept to", () => {
    const probe = start(8).feed(raw.data(1, "1234"), raw.data(1, "5678", true));
    assert.deepEqual(probe.events.slice(1), ["data 1 12345678 END"]);
  });

  it("is broken by more data, of which nothing is delivered", () => {
    assert.deepEqual(start(3).feed(raw.data(1, "1234")).events.slice(1), [LONG]);
  });

  it("is broken by an early end, by DATA or trailers", () => {
    assert.deepEqual(
      start(3)
        .feed(raw.data(1, "12", true))
        .events.slice(1),
      [LONG],
    );
    assert.deepEqual(
      start(3)
        .feed(raw.data(1, "12"), raw.headers(1, ["x: y"]))
        .events.slice(1),
      ["data 1 12", LONG],
    );
  });
});

describe("trailers", () => {
  const trailed = (...fields: string[]) => Probe.ready("server").feed(raw.headers(1, raw.POST, false), raw.headers(1, fields)).events[1];

  it("are reported without what frames, routes or authenticates", () => {
    assert.equal(trailed("x: y", "authorization: z", "content-length: 5", "te: gzip"), "trailers 1 x,y");
  });

  it("may not hold pseudo-fields or what concerns one connection", () => {
    assert.equal(trailed(":path: /"), "reset 1 forbidden-pseudo-field PROTOCOL_ERROR");
    assert.equal(trailed("connection: close"), "reset 1 connection-field PROTOCOL_ERROR");
    assert.equal(trailed("X: y"), "reset 1 bad-field-name PROTOCOL_ERROR");
  });

  it("may not come before a response's head, nor data", () => {
    const probe = Probe.ready("client");
    probe.get();
    assert.deepEqual(probe.feed(raw.data(1, "x")).events, ["reset 1 data-before-head PROTOCOL_ERROR"]);
    probe.get();
    assert.equal(probe.feed(raw.headers(3, ["x: y"])).events.at(-1), "reset 3 missing-pseudo-field PROTOCOL_ERROR");
  });
});

describe("a response", () => {
  const answered = (method: string, ...frames: Buffer[]) => {
    const probe = Probe.ready("client");
    probe.request({ ...GET_REQUEST, method }, true);
    return probe.feed(...frames).events;
  };
  const head = (...fields: string[]) => raw.headers(1, fields, false);
  const last = (...fields: string[]) => raw.headers(1, fields, true);

  for (const status of ["99", "600", "abc", "2000", "101", "", "20x"]) {
    it(`with status ${JSON.stringify(status)} is malformed`, () => {
      assert.deepEqual(answered("GET", last(`:status: ${status}`)), ["reset 1 bad-status PROTOCOL_ERROR"]);
    });
  }

  it("without a status, with two, or with a request's fields is malformed", () => {
    assert.deepEqual(answered("GET", last("x: y")), ["reset 1 missing-pseudo-field PROTOCOL_ERROR"]);
    assert.deepEqual(answered("GET", last(":status: 200", ":status: 200")), ["reset 1 repeated-pseudo-field PROTOCOL_ERROR"]);
    assert.deepEqual(answered("GET", last(":status: 200", ":path: /")), ["reset 1 unknown-pseudo-field PROTOCOL_ERROR"]);
    assert.deepEqual(answered("GET", last(":status: 200", "te: trailers")), ["reset 1 connection-field PROTOCOL_ERROR"]);
  });

  it("may come behind others that are interim, but not too many, and none of them may end the stream", () => {
    assert.deepEqual(answered("GET", head(":status: 100"), head(":status: 103"), last(":status: 200")), [
      "interim 1 100",
      "interim 1 103",
      "response 1 200 END",
    ]);
    assert.deepEqual(answered("GET", last(":status: 103")), ["reset 1 interim-ends-stream PROTOCOL_ERROR"]);
    const many = Array.from({ length: 17 }, () => head(":status: 103"));
    assert.equal(answered("GET", ...many).at(-1), "reset 1 too-many-interim ENHANCE_YOUR_CALM");
  });

  it("to HEAD, or with 204 or 304, has no body, whatever its length says", () => {
    assert.deepEqual(answered("HEAD", last(":status: 200", "content-length: 5")), ["response 1 200 END"]);
    assert.deepEqual(answered("GET", last(":status: 304", "content-length: 5")), ["response 1 304 END"]);
    assert.deepEqual(answered("HEAD", head(":status: 200", "content-length: 5"), raw.data(1, "", true)).slice(-1), ["data 1  END"]);
    for (const [method, status] of [["HEAD", "200"] as const, ["GET", "204"] as const, ["GET", "304"] as const]) {
      const events = answered(method, head(`:status: ${status}`), raw.data(1, "x", true));
      assert.equal(events.at(-1), "reset 1 body-without-right PROTOCOL_ERROR");
    }
    assert.deepEqual(answered("GET", last(":status: 204", "content-length: 5")), ["reset 1 body-without-right PROTOCOL_ERROR"]);
  });

  it("that ends before its length is malformed, never complete", () => {
    assert.deepEqual(answered("GET", last(":status: 200", "content-length: 5")), ["reset 1 length-mismatch PROTOCOL_ERROR"]);
    assert.equal(
      answered("GET", head(":status: 200", "content-length: 5"), raw.data(1, "1234", true)).at(-1),
      "reset 1 length-mismatch PROTOCOL_ERROR",
    );
  });

  it("cut off by RST_STREAM is reset, whatever the code, also with NO_ERROR", () => {
    for (const code of [0, 8])
      assert.match(answered("GET", head(":status: 200"), raw.data(1, "x"), raw.reset(1, code)).at(-1) ?? "", /^reset 1 by peer/);
  });

  it("over the limit of the list is reset", () => {
    const probe = Probe.ready("client", { maxListBytes: 100 });
    probe.get();
    probe.feed(last(":status: 200", `x: ${"y".repeat(100)}`));
    assert.deepEqual(probe.events, ["reset 1 head-too-large ENHANCE_YOUR_CALM"]);
  });

  it("to CONNECT has no length", () => {
    const events = answered("CONNECT", head(":status: 200", "content-length: 1"), raw.data(1, "tunnel", true));
    assert.deepEqual(events, ["response 1 200", "data 1 tunnel END"]);
  });
});
