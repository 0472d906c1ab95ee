import assert from "node:assert/strict";
import { test } from "node:test";
import { isGrpc, statusBehind } from "../../../src/proxy/grpc.js";

test("gRPC is known by its content type, and gRPC-Web is another protocol", () => {
  for (const type of ["application/grpc", "application/grpc+proto", "Application/gRPC;x=y"])
    assert.ok(isGrpc(["content-type", type]), type);
  for (const type of ["application/grpc-web", "application/grpc-web-text", "application/json", ""])
    assert.ok(!isGrpc(["content-type", type]), type);
  assert.ok(!isGrpc([]));
});

test("a status amounts to an HTTP status", () => {
  const amounts = ["0", "2", "4", "8", "12", "13", "14", "15", "99", "nonsense"].map((code) => statusBehind([], ["grpc-status", code]));
  assert.deepEqual(amounts, [200, 500, 504, 200, 200, 500, 503, 500, 200, 200]);
  assert.equal(statusBehind([], ["x", "y"]), 500);
  assert.equal(statusBehind(["grpc-timeout", "1n"], ["grpc-status", "4"]), null);
  assert.equal(statusBehind(["grpc-timeout", "1n"], ["grpc-status", "14"]), 503);
});
