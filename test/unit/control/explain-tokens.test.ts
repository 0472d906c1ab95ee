import assert from "node:assert/strict";
import { test } from "node:test";
import { createExplainGate, createExplainTokenIssuer } from "../../../src/control/explain-tokens.js";

const NOW = 1_800_000_000_000;

test("a token opens until it expires, and only with the secret it was made with", () => {
  const issuer = createExplainTokenIssuer();
  const { token, expiresAtMs } = issuer.issue(30_000, NOW);
  assert.equal(expiresAtMs, NOW + 30_000);
  let now = NOW;
  const gate = createExplainGate(issuer.secret, () => now);
  assert.equal(gate.opensFor(token), true);
  now = expiresAtMs - 1;
  assert.equal(gate.opensFor(token), true);
  now = expiresAtMs;
  assert.equal(gate.opensFor(token), false);
  now = NOW;
  assert.equal(createExplainGate(createExplainTokenIssuer().secret, () => NOW).opensFor(token), false);
});

test("no change of a token is let through", () => {
  const issuer = createExplainTokenIssuer();
  const { token } = issuer.issue(30_000, NOW);
  const gate = createExplainGate(issuer.secret, () => NOW);
  for (let i = 0; i < token.length; i++) {
    for (const other of ["A", "0", ".", "-", ""]) {
      const changed = token.slice(0, i) + other + token.slice(i + 1);
      // The last character of base64url holds two bits that mean nothing.
      if (changed === token || (i === token.length - 1 && other.length === 1)) continue;
      assert.equal(gate.opensFor(changed), false, changed);
    }
  }
});
