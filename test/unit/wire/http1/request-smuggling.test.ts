/**
 * The requests of the smuggling attack (test/support/smuggling-corpus.ts), read by the parser alone: what it makes of each,
 * however the bytes are cut. RFC 9112 §6.3, §11.2.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CHUNK_SIZES, CODINGS, HIDDEN, LENGTH_VALUES, LENGTHS, post, smugglingCorpus } from "../../../support/smuggling-corpus.js";
import { readRequests } from "./read-request.js";

/** Alone, without a length. `sound`: the chunks end where they seem to, and what follows is a request of its own. */
const CODING_READINGS: Readonly<Record<string, string>> = {
  "Transfer-Encoding: chunked": "sound",
  "Transfer-Encoding: Chunked": "sound",
  // Framing is not for Connection to take away.
  "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked": "sound",
  "Transfer-Encoding : chunked": "space-before-colon",
  "Transfer-Encoding:\tchunked": "bad-transfer-encoding",
  "Transfer-Encoding: \x0bchunked": "control-byte",
  "Transfer-Encoding: chunked\x0c": "control-byte",
  "Transfer-Encoding: xchunked": "bad-transfer-encoding",
  "Transfer-Encoding: chunkedx": "bad-transfer-encoding",
  'Transfer-Encoding: "chunked"': "bad-transfer-encoding",
  "Transfer-Encoding: chunked;q=1": "bad-transfer-encoding",
  "Transfer-Encoding: chunked,": "bad-transfer-encoding",
  "Transfer-Encoding: ,chunked": "bad-transfer-encoding",
  "Transfer-Encoding: gzip, chunked": "unknown-transfer-coding",
  "Transfer-Encoding: chunked, identity": "bad-transfer-encoding",
  "Transfer-Encoding: identity": "bad-transfer-encoding",
  "Transfer-Encoding:": "bad-transfer-encoding",
  "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity": "repeated-transfer-encoding",
  "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked": "bad-transfer-encoding",
  "Transfer-Encoding:\r\n chunked": "bad-transfer-encoding",
  "Transfer-Encoding\r\n: chunked": "missing-colon",
  "Transfer-Encoding: chunked\rX: y": "bare-cr",
  "Transfer-Encoding: chun\0ked": "control-byte",
  // Another field, for the codec: what looks like a last chunk is no request line. Listeners refuse underscores.
  "Transfer_Encoding: chunked": "bad-request-line",
  "X: y\rTransfer-Encoding: chunked": "bare-cr",
  "X: y\nTransfer-Encoding: chunked": "bare-lf",
  " Transfer-Encoding: chunked": "obs-fold",
  ": x\r\nTransfer-Encoding: chunked": "empty-field-name",
  "Transfer-Encoding: chunk\xc3\xa9d": "bad-transfer-encoding",
};

/** `sound` as above, `incomplete`: more is announced than there is, so nothing of it is another request. */
const CHUNK_READINGS: Readonly<Record<string, string>> = {
  "5;a=b": "sound",
  "100000005": "incomplete",
  FFFFFFFE: "incomplete",
  '5;a="\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n"': "bad-chunk-extension",
  "5;\n": "bad-chunk-extension",
};

const LENGTH_READINGS: Readonly<Record<string, string>> = {
  "4294967301": "incomplete",
  "5\x0b": "control-byte",
  // Cut to bytes, its last one is 0x11.
  "１": "control-byte",
};

/** Outcome and targets of all reported heads; asserts that no cut changes them. */
function read(text: string): { outcome: string; targets: string[] } {
  const whole = readRequests(text);
  for (const pieces of [[1], [7, 3], [64]]) assert.deepEqual(readRequests(text, { pieces }), whole, JSON.stringify(text));
  const isSound = whole.outcome === "idle" && whole.completeCount === 2;
  return { outcome: isSound ? "sound" : whole.outcome, targets: whole.requests.map(({ target }) => target) };
}

describe("a request that hides another one", () => {
  test("in a coding is refused, or the other one is nobody's secret", () => {
    assert.deepEqual(Object.keys(CODING_READINGS).sort(), [...CODINGS].sort());
    for (const coding of CODINGS) {
      const { outcome, targets } = read(post(`${coding}\r\n`, `0\r\n\r\n${HIDDEN}`));
      assert.equal(outcome, CODING_READINGS[coding], coding);
      if (outcome !== "sound") assert.equal(targets.includes("/smuggled"), false);
    }
  });

  test("between a coding and a length is refused, whichever comes first", () => {
    for (const coding of CODINGS.filter((coding) => !coding.startsWith("Transfer_"))) {
      for (const length of LENGTHS.filter((length) => length !== "")) {
        for (const fields of [`${length}${coding}\r\n`, `${coding}\r\n${length}`]) {
          const { outcome, targets } = read(post(fields, `5\r\nabcde\r\n0\r\n\r\n${HIDDEN}`));
          assert.notEqual(outcome, "sound", fields);
          assert.deepEqual(targets, [], fields);
        }
      }
    }
  });

  test("behind a chunk size is refused, or the size is what it says", () => {
    for (const size of CHUNK_SIZES) {
      const { outcome, targets } = read(post("Transfer-Encoding: chunked\r\n", `${size}\r\nabcde\r\n0\r\n\r\n${HIDDEN}`));
      assert.equal(outcome, CHUNK_READINGS[size] ?? "bad-chunk-size", JSON.stringify(size));
      assert.deepEqual(targets, outcome === "sound" ? ["/evil", "/smuggled"] : ["/evil"]);
    }
  });

  test("behind a length is refused, or the length is what it says", () => {
    for (const value of LENGTH_VALUES) {
      const { outcome, targets } = read(post(`Content-Length: ${value}\r\n`, `abcde${HIDDEN}`));
      assert.equal(outcome, LENGTH_READINGS[value] ?? "bad-content-length", JSON.stringify(value));
      assert.deepEqual(targets, outcome === "incomplete" ? ["/evil"] : []);
    }
  });

  const rows: [string, string, string, string[]][] = [
    ["data beyond its chunk", post("Transfer-Encoding: chunked\r\n", `5\r\nabcdeXX0\r\n\r\n${HIDDEN}`), "bad-chunk-end", ["/evil"]],
    ["no end of the trailers", post("Transfer-Encoding: chunked\r\n", `0\r\nContent-Length: 5\r\n${HIDDEN}`), "missing-colon", ["/evil"]],
    ["a trailer's value", post("Transfer-Encoding: chunked\r\n", `0\r\nX:${HIDDEN}`), "idle", ["/evil"]],
    ["a body of GET", `GET /evil HTTP/1.1\r\nHost: a\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`, "idle", ["/evil"]],
    [
      "two expectations",
      post("Expect: 100-continue\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${HIDDEN}`),
      "unsupported-expectation",
      [],
    ],
    ["a field without a name", `GET /evil HTTP/1.1\r\nHost: a\r\n: x\r\nContent-Length: 5\r\n\r\n${HIDDEN}`, "empty-field-name", []],
    [
      "an upgrade, whose bytes are not read",
      `GET /evil HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n${HIDDEN}`,
      "closed",
      ["/evil"],
    ],
    [
      "a PROXY protocol frame",
      `\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x06\x06\x06\x06\x01\x01\x01\x01\0\x01\0\x02${HIDDEN}`,
      "too-many-empty-lines",
      [],
    ],
    ["a PROXY protocol line", `PROXY TCP4 6.6.6.6 1.1.1.1 1 2\r\n${HIDDEN}`, "bad-request-line", []],
    ["a second Host", `GET /evil HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n${HIDDEN}`, "repeated-host", []],
  ];
  for (const [name, text, outcome, targets] of rows) {
    test(`in ${name}: ${outcome}`, () => assert.deepEqual(read(text), { outcome, targets }));
  }

  test("reads the same however it is cut, all of the corpus", () => {
    for (const text of smugglingCorpus()) read(text);
  });
});
