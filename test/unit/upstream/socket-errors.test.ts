import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ErrorCode } from "../../../src/engine/model/errors.js";
import type { ConnectionStage } from "../../../src/upstream/socket-errors.js";
import { describeSocketError, describeStreamError, socketErrorCode, streamErrorCode } from "../../../src/upstream/socket-errors.js";
import { REFUSED_STREAM } from "../../../src/wire/http2/error-codes.js";

function failure(code: string, message = "what happened"): Error {
  return Object.assign(new Error(message), { code });
}

test("operating-system and TLS errors become codes by the stage they struck at", () => {
  const rows: [ConnectionStage, string, ErrorCode][] = [
    ["connect", "ECONNREFUSED", "connect-failed"],
    ["connect", "EHOSTUNREACH", "connect-failed"],
    ["connect", "ENOTFOUND", "connect-failed"],
    ["connect", "EMFILE", "connect-failed"],
    ["connect", "ETIMEDOUT", "connect-timeout"],
    ["handshake", "ECONNRESET", "upstream-tls-failed"],
    ["handshake", "DEPTH_ZERO_SELF_SIGNED_CERT", "upstream-tls-failed"],
    ["handshake", "ERR_TLS_CERT_ALTNAME_INVALID", "upstream-tls-failed"],
    ["open", "ECONNRESET", "upstream-reset"],
    ["open", "EPIPE", "upstream-reset"],
    ["open", "ETIMEDOUT", "upstream-reset"],
    ["open", "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "upstream-tls-failed"],
    ["open", "EPROTO", "upstream-tls-failed"],
  ];
  for (const [stage, code, expected] of rows) assert.equal(socketErrorCode(failure(code), stage), expected, `${stage} ${code}`);
  assert.equal(socketErrorCode("not an error", "connect"), "connect-failed");
});

test("a description holds the code once", () => {
  assert.equal(describeSocketError(failure("EPIPE", "write EPIPE")), "write EPIPE");
  assert.equal(describeSocketError(failure("ERR_X", "broken")), "ERR_X: broken");
  assert.equal(describeSocketError(failure("ECONNREFUSED", "")), "ECONNREFUSED");
  assert.equal(describeSocketError("text"), "text");
});

describe("what an RST_STREAM says", () => {
  test("is safe to repeat only for REFUSED_STREAM, and only before an answer", () => {
    const codes = Array.from({ length: 16 }, (_, code) => code);
    assert.deepEqual(
      codes.filter((code) => streamErrorCode(code, false) === "upstream-refused"),
      [REFUSED_STREAM],
    );
    assert.ok(codes.every((code) => streamErrorCode(code, true) !== "upstream-refused"));
  });

  test("has the name of the RFC, or its number", () => {
    assert.deepEqual(
      [describeStreamError(0), describeStreamError(7), describeStreamError(13)],
      ["NO_ERROR", "REFUSED_STREAM", "HTTP_1_1_REQUIRED"],
    );
    assert.equal(describeStreamError(99), "error 99");
  });
});
