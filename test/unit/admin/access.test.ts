import assert from "node:assert/strict";
import { test } from "node:test";
import { createTokenCheck, isLoopbackHost, namesLoopback } from "../../../src/admin/access.js";

test("loopback is what only this machine reaches", () => {
  for (const host of ["127.0.0.1", "127.9.8.7", "::1", "[::1]", "localhost", "LOCALHOST"]) assert.ok(isLoopbackHost(host), host);
  for (const host of ["0.0.0.0", "::", "", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com", "128.0.0.1"])
    assert.ok(!isLoopbackHost(host), host);
});

test("a Host field names this machine, with or without a port", () => {
  for (const field of ["localhost", "localhost:9901", "127.0.0.1:1", "[::1]", "[::1]:9901"]) assert.ok(namesLoopback(field), field);
  for (const field of [
    undefined,
    "",
    "evil.example:9901",
    "localhost:evil.example",
    "localhost@evil.example",
    "[::1].evil.example",
    "::1",
  ]) {
    assert.ok(!namesLoopback(field), field);
  }
});

test("only the very token opens", () => {
  const check = createTokenCheck("correct-horse");
  assert.ok(check("Bearer correct-horse"));
  assert.ok(check("bearer correct-horse"));
  for (const field of [
    undefined,
    "",
    "correct-horse",
    "Bearer",
    "Bearer ",
    "Bearer correct-hors",
    "Bearer correct-horse2",
    "Basic correct-horse",
    "Bearer x correct-horse",
  ]) {
    assert.ok(!check(field), field);
  }
});
