import assert from "node:assert/strict";
import { test } from "node:test";
import type { CertificateSpec } from "../../../../src/engine/model/snapshot.js";
import { serverNames } from "../../../../src/listeners/uws/tls.js";

const certificate = (...names: string[]): CertificateSpec => ({
  certPath: names.join(),
  keyPath: "",
  names,
  notAfterMs: 0,
  fingerprint: "",
});
const namesOf = (...certificates: CertificateSpec[]) =>
  serverNames(certificates).map(({ name, certificate: owner }) => [name, certificates.indexOf(owner)]);

test("one certificate needs no names: it answers for everything", () => {
  assert.deepEqual(namesOf(certificate("a.test", "*.a.test")), []);
});

test("the names of further certificates are registered", () => {
  assert.deepEqual(namesOf(certificate("a.test"), certificate("b.test", "*.b.test")), [
    ["b.test", 1],
    ["*.b.test", 1],
  ]);
});

test("a name of the first is registered only when another's wildcard would catch it", () => {
  assert.deepEqual(namesOf(certificate("x.b.test", "y.test"), certificate("*.b.test")), [
    ["x.b.test", 0],
    ["*.b.test", 1],
  ]);
  assert.deepEqual(namesOf(certificate("*.b.test"), certificate("x.b.test")), [["x.b.test", 1]]);
});

test("a name that two certificates have belongs to the first, in any case", () => {
  assert.deepEqual(namesOf(certificate("a.test"), certificate("A.test", "b.test"), certificate("b.test")), [["b.test", 1]]);
});
