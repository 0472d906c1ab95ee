/** RFC 9112 §3.2 (Host), §5 and §9; RFC 9110 §7.6.1, §7.8, §10.1: the fields of a request head. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RequestReading } from "./read-request.js";
import { readRequest, readRequests } from "./read-request.js";

const LINE = "GET / HTTP/1.1\r\n";
const HOST = "Host: a.test\r\n";
const withFields = (...lines: string[]): string => `${LINE}${HOST}${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
const withHost = (value: string): string => `${LINE}Host: ${value}\r\n\r\n`;
const old = (...lines: string[]): string => `GET / HTTP/1.0\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;

describe("the fields of a request are read", () => {
  const rows: [string, string, Partial<RequestReading>][] = [
    [
      "§5: lower-case names, trimmed values, duplicates in order",
      withFields("X-A: \t 1 2 \t", "x-a:3", "B:"),
      { headers: ["x-a", "1 2", "x-a", "3", "b", ""] },
    ],
    ["§5.5 of RFC 9110: tabs and bytes beyond ASCII in values", withFields("X: a\tb\xe9\xff"), { headers: ["x", "a\tb\xe9\xff"] }],
    ["§3.2: Host as the authority, not as a header", withHost("A.test:8080"), { authority: "A.test:8080", headers: [] }],
    ["§3.2: Host in HTTP/1.0", old("Host: a.test"), { authority: "a.test" }],
    ["§3.2: no Host in HTTP/1.0", old(), { authority: "" }],
    ["§3.2.2: Host overruled by the target", `GET http://b.test/ HTTP/1.1\r\n${HOST}\r\n`, { authority: "b.test", headers: [] }],
    ["§3.2.2: no Host, but a target with authority, in HTTP/1.0", "GET http://b.test/ HTTP/1.0\r\n\r\n", { authority: "b.test" }],
    [
      "RFC 9110 §10.1.1: Expect with a body",
      withFields("Expect: 100-continue", "Content-Length: 1").concat("x"),
      { expectsContinue: true, headers: [] },
    ],
    [
      "RFC 9110 §10.1.1: Expect in any case",
      withFields("Expect: 100-Continue", "Content-Length: 1").concat("x"),
      { expectsContinue: true },
    ],
    ["RFC 9110 §10.1.1: Expect without a body, which waits for nothing", withFields("Expect: 100-continue"), { expectsContinue: false }],
    [
      "RFC 9110 §10.1.1: Expect in HTTP/1.0 by ignoring it",
      `POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx`,
      { expectsContinue: false, headers: [] },
    ],
    ["RFC 9110 §10.1.1: an unknown expectation in HTTP/1.0 by ignoring it", old("Expect: magic"), { expectsContinue: false, headers: [] }],
    ["RFC 9110 §10.1.4: TE with trailers", withFields("TE: trailers"), { acceptsTrailers: true, headers: [] }],
    [
      "RFC 9110 §10.1.4: TE with trailers among codings",
      withFields("Connection: TE", "TE: gzip;q=0.5 , Trailers"),
      { acceptsTrailers: true, headers: [] },
    ],
    ["RFC 9110 §10.1.4: TE without trailers", withFields("TE: trailersx, gzip"), { acceptsTrailers: false, headers: [] }],
    ["RFC 9110 §10.1.4: TE in several fields", withFields("TE: trailers", "TE: gzip"), { acceptsTrailers: true }],
    ["§9.3: HTTP/1.1 persists", withFields(), { canPersist: true }],
    ["§9.3: HTTP/1.1 with close", withFields("Connection: Close"), { canPersist: false }],
    ["§9.3: close among other options", withFields("Connection: keep-alive, x", "Connection: te , close"), { canPersist: false }],
    ["§9.3: HTTP/1.0 does not persist", old(), { canPersist: false }],
    ["§9.3: HTTP/1.0 with keep-alive", old("Connection: Keep-Alive"), { canPersist: true }],
    ["§9.3: HTTP/1.0 with both", old("Connection: keep-alive, close"), { canPersist: false }],
    ["RFC 9110 §5.6.1: empty elements of Connection", withFields("Connection: , ,close,", "Connection:"), { canPersist: false }],
    [
      "RFC 9110 §7.6.1: what Connection names by dropping it",
      withFields("X-Hop: 1", "Connection: x-hop, X-Hop-Too", "X-End: 2", "x-hop-too: 3", "X-HOP: 4"),
      { headers: ["x-end", "2"] },
    ],
    [
      "RFC 9110 §7.6.1: fields of one hop by dropping them",
      withFields("Keep-Alive: timeout=5", "Proxy-Connection: x", "Upgrade: h2c", "HTTP2-Settings: x", "Trailer: x", "TE: gzip", "A: 1"),
      { headers: ["a", "1"], upgrades: [] },
    ],
    [
      "RFC 9110 §7.6.1: Host, Expect and framing even if Connection names them",
      `POST / HTTP/1.1\r\n${HOST}Connection: host, expect, content-length\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx`,
      { authority: "a.test", bodyLength: 1, expectsContinue: true },
    ],
    [
      "RFC 9110 §7.8: an upgrade",
      withFields("Connection: keep-alive, Upgrade", "Upgrade: WebSocket", "Sec-WebSocket-Version: 13"),
      { upgrades: ["websocket"], headers: ["sec-websocket-version", "13"] },
    ],
    [
      "RFC 9110 §7.8: several protocols in their order",
      withFields("Connection: upgrade", "Upgrade: h2c, IRC/6.9", "Upgrade: websocket"),
      { upgrades: ["h2c", "irc/6.9", "websocket"] },
    ],
    ["RFC 9110 §7.8: an upgrade that Connection does not name by ignoring it", withFields("Upgrade: websocket"), { upgrades: [] }],
    ["RFC 9110 §7.8: a nomination without an upgrade", withFields("Connection: upgrade"), { upgrades: [] }],
    [
      "RFC 9110 §7.8: an upgrade in HTTP/1.0 by ignoring it",
      old("Connection: upgrade, keep-alive", "Upgrade: websocket"),
      { upgrades: [], headers: [] },
    ],
  ];
  for (const [name, text, expected] of rows) {
    test(name, () => {
      for (const pieces of [[10_000], [1], [7, 3]]) {
        const reading = readRequest(text, { pieces });
        for (const key of Object.keys(expected) as (keyof RequestReading)[]) assert.deepEqual(reading[key], expected[key], key);
      }
    });
  }

  for (const host of [
    ...[
      "a",
      "a.test",
      "A-b.test.",
      "_dmarc.a_b.test",
      "xn--bcher-kva.test",
      "127.0.0.1",
      "127.0.0.1:80",
      "999.1.1.1",
      "a.test:0",
      "a.test:65535",
    ],
    ...[
      "[::]",
      "[::1]:80",
      "[2001:db8::a:1]",
      "[1:2:3:4:5:6:7:8]",
      "[::ffff:192.0.2.1]",
      "[1:2:3:4:5:6:192.0.2.1]",
      "[1::8]",
      "[1:2:3:4:5:6:7::]",
    ],
  ]) {
    test(`§3.2: Host ${host}`, () => assert.equal(readRequest(withHost(host)).authority, host));
  }
});

describe("the fields of a request are refused", () => {
  const rows: [string, string, string][] = [
    ["missing-host", "§3.2: in HTTP/1.1", `${LINE}\r\n`],
    ["missing-host", "§3.2: in HTTP/1.1 with absolute-form", "GET http://a.test/ HTTP/1.1\r\n\r\n"],
    ["missing-host", "§3.2: in a CONNECT", "CONNECT a.test:443 HTTP/1.1\r\n\r\n"],
    ["missing-host", "§3.2: in a higher minor version", "GET / HTTP/1.3\r\n\r\n"],
    ["repeated-host", "§3.2: equal ones", withFields("Host: a.test")],
    ["repeated-host", "§3.2: different ones", withFields("hOST: b.test")],
    ["repeated-host", "§3.2: in HTTP/1.0", old("Host: a.test", "Host: a.test")],
    ["repeated-host", "§3.2: in absolute-form", `GET http://a.test/ HTTP/1.1\r\n${HOST}${HOST}\r\n`],
    ["bad-host", "§3.2: beside a sound target", "GET http://b.test/ HTTP/1.1\r\nHost: a/b\r\n\r\n"],
    ["bad-host", "§3.2: in HTTP/1.0", old("Host: a b")],
    ["unsupported-expectation", "RFC 9110 §10.1.1: another one", withFields("Expect: 200-ok")],
    ["unsupported-expectation", "RFC 9110 §10.1.1: with a parameter", withFields("Expect: 100-continue;a=b")],
    ["unsupported-expectation", "RFC 9110 §10.1.1: beside another one", withFields("Expect: 100-continue, magic")],
    ["unsupported-expectation", "RFC 9110 §10.1.1: twice", withFields("Expect: 100-continue", "Expect: 100-continue")],
    ["unsupported-expectation", "RFC 9110 §10.1.1: an empty one before it", withFields("Expect:", "Expect: 100-continue")],
    ["unsupported-expectation", "RFC 9110 §10.1.1: an empty one", withFields("Expect:")],
    ["bad-connection", "RFC 9110 §7.6.1: an option with a space", withFields("Connection: close now")],
    ["bad-connection", "RFC 9110 §7.6.1: a quoted option", withFields('Connection: "close"')],
    ["bad-connection", "RFC 9110 §7.6.1: an option with a byte beyond ASCII", withFields("Connection: clos\xe9")],
    ["too-many-connection-options", "65 of them", withFields(`Connection: ${Array.from({ length: 65 }, (_, i) => `x${i}`).join()}`)],
    [
      "too-many-connection-options",
      "65 of them in fields of their own",
      withFields(...Array.from({ length: 65 }, (_, i) => `Connection: x${i}`)),
    ],
    ["bad-upgrade", "RFC 9110 §7.8: no token", withFields("Connection: upgrade", "Upgrade: web socket")],
    ["bad-upgrade", "RFC 9110 §7.8: an empty version", withFields("Connection: upgrade", "Upgrade: websocket/")],
    ["bad-upgrade", "RFC 9110 §7.8: two versions", withFields("Connection: upgrade", "Upgrade: a/b/c")],
    ["obs-fold", "§5.2: with a space", withFields("A: b", " c")],
    ["obs-fold", "§5.2: with a tab", withFields("A: b", "\tc")],
    ["obs-fold", "§5.2: of a value that is empty so far", withFields("A:", " 5")],
    ["obs-fold", "§2.2: white space before the first field", `${LINE} Host: a.test\r\n\r\n`],
    ["obs-fold", "§2.2: a line of white space before the first field", `${LINE} \r\nHost: a.test\r\n\r\n`],
    ["space-before-colon", "§5.1: a space", withFields("A : b")],
    ["space-before-colon", "§5.1: a tab", withFields("A\t: b")],
    ["space-before-colon", "§5.1: before a framing field's colon", withFields("Content-Length : 0")],
    ["empty-field-name", "§5: only a value", withFields(": b")],
    ["missing-colon", "§5: no colon", withFields("Abc")],
    ["missing-colon", "§5: a colon on the next line only", withFields("Abc", "D: e")],
    ["bad-field-name", "§5.1 of RFC 9110: a space inside", withFields("A B: c")],
    ["bad-field-name", "§5.1 of RFC 9110: NUL", withFields("A\0: c")],
    ["bad-field-name", "§5.1 of RFC 9110: a delimiter", withFields("A[1]: c")],
    ["bad-field-name", "§5.1 of RFC 9110: a byte beyond ASCII", withFields("\xe9: c")],
    ["bad-field-name", "§5.1 of RFC 9110: a quote", withFields('"a": c')],
    ["control-byte", "§5.5 of RFC 9110: NUL in a value", withFields("A: b\0c")],
    ["control-byte", "§5.5 of RFC 9110: DEL in a value", withFields("A: b\x7f")],
    ["control-byte", "§5.5 of RFC 9110: a vertical tab around a value", withFields("A: \x0bb")],
    ["control-byte", "§5.5 of RFC 9110: NUL in Host", withHost("a.test\0")],
    ["bare-cr", "§2.2: in a value", withFields("A: b\rc")],
    ["bare-cr", "§2.2: before the line end", withFields("A: b\r")],
    ["bare-cr", "§2.2: in a name", withFields("A\rB: c")],
    ["bare-cr", "§2.2: hiding a field", withFields("A: b\rContent-Length: 5")],
    ["bare-lf", "§2.2: after a field", `${LINE}${HOST}A: b\nC: d\r\n\r\n`],
    ["bare-lf", "§2.2: as the empty line", `${LINE}${HOST}\n`],
    ["bare-lf", "§2.2: after the last field and as the empty line", `${LINE}Host: a.test\n\n`],
    ["too-many-fields", "201 of them", withFields(...Array.from({ length: 200 }, () => "A: b"))],
    ["head-too-large", "many lines", withFields(...Array.from({ length: 62 }, () => `${"A".repeat(60)}: ${"b".repeat(1000)}`))],
    ["head-too-large", "a line without end", `${LINE}${HOST}A: ${"b".repeat(65_536)}`],
  ];
  for (const [reason, what, text] of rows) {
    test(`${reason}: ${what}`, () => {
      for (const pieces of [[100_000], [1], [7, 3, 64]]) {
        const { outcome, requests } = readRequests(text, { pieces });
        assert.deepEqual([outcome, requests], [reason, []], `pieces of ${pieces}`);
      }
    });
  }

  for (const host of [
    ...[
      "",
      "a b",
      "a,b",
      "a.test, b.test",
      "a/b",
      "a?b",
      "a#b",
      "a\\b",
      "u@a.test",
      "a%41",
      "a;b",
      "a'b",
      'a"b',
      "a<b",
      "a(b)",
      "\xe9.test",
      "-a",
      ".a",
    ],
    ...["a.test:", "a.test:x", "a.test:-1", "a.test:123456", "a.test:65536", "a:1:2", ":80", "http://a.test", "a.test\t80", "*"],
    ...[
      "[]",
      "[",
      "]",
      "[::1",
      "::1",
      "[::1]x",
      "[::1]:",
      "[:::]",
      "[1:2]",
      "[1:2:3:4:5:6:7:8:9]",
      "[1::2::3]",
      "[12345::]",
      "[1:2:3:4:5:6:7::8]",
    ],
    ...[
      "[fe80::1%25eth0]",
      "[v1.a]",
      "[127.0.0.1]",
      "[::256.0.0.1]",
      "[::1.2.3]",
      "[1:2:3:4:5:6:7:1.2.3.4]",
      "[1.2.3.4::]",
      `${"a".repeat(256)}`,
    ],
  ]) {
    test(`bad-host: §3.2: ${JSON.stringify(host)}`, () => assert.equal(readRequests(withHost(host)).outcome, "bad-host"));
  }
});
