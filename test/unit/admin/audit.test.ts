import assert from "node:assert/strict";
import { test } from "node:test";
import { type AuditEntry, limitStrangers } from "../../../src/admin/audit.js";
import { APPLIED, ask, memoryTrail, post, READER, startServer, TOKENS, VIEWS, WRITER } from "./fixtures.js";

const ENTRY: AuditEntry = {
  at: "2026-01-01T00:00:00.000Z",
  caller: "",
  remote: "127.0.0.1",
  method: "POST",
  path: "/v1/reload",
  operation: "reload",
  note: "",
  outcome: "refused",
  status: 401,
  versionBefore: "a",
  versionAfter: "a",
  durationMs: 1,
};

test("every attempt to change something is written down, refused ones too, without tokens and texts", async (t) => {
  let served = "before";
  const apply = async () => {
    served = "after";
    return APPLIED;
  };
  const { port, audit } = await startServer(t, {
    tokens: TOKENS,
    views: { apply, info: () => ({ ...VIEWS.info(), snapshotVersion: served }) },
  });
  await post(port, "/v1/apply", { texts: [{ name: "w.yaml", text: "secret-text" }], note: "deploy 7" });
  await post(port, "/v1/reload", {}, READER);
  await post(port, "/v1/reload", {}, "guessed-token");
  await post(port, "/v1/rollback", { version: "no/such" });
  await ask(port, "/v1/versions/3", { headers: { authorization: `Bearer ${WRITER}` } });
  await ask(port, "/v1/info", { headers: { authorization: `Bearer ${READER}` } });
  const seen = audit.entries.map((entry) => [
    entry.caller,
    entry.operation,
    entry.outcome,
    entry.status,
    entry.note,
    entry.versionBefore,
    entry.versionAfter,
  ]);
  assert.deepEqual(seen, [
    ["ci", "apply", "applied", 200, "deploy 7", "before", "after"],
    ["grafana", "reload", "refused", 403, "", "after", "after"],
    ["", "reload", "refused", 401, "", "after", "after"],
    ["ci", "rollback", "refused", 400, "", "after", "after"],
    ["ci", "getVersion", "ok", 200, "", "after", "after"],
  ]);
  assert.match(audit.entries[0]?.remote ?? "", /^(::ffff:)?127\.0\.0\.1$/);
  const text = JSON.stringify(audit.entries);
  for (const secret of ["secret-text", "guessed-token", READER, WRITER]) assert.equal(text.includes(secret), false, secret);
});

test("the audit log is read newest first, with a limit", async (t) => {
  const { port } = await startServer(t, { tokens: TOKENS });
  for (const note of ["one", "two", "three"]) await post(port, "/v1/rollback", { version: "1", note });
  const answer = await ask(port, "/v1/audit?limit=2", { headers: { authorization: `Bearer ${READER}` } });
  const { entries } = JSON.parse(answer.body) as { entries: AuditEntry[] };
  assert.deepEqual(
    entries.map(({ note }) => note),
    ["three", "two"],
  );
});

test("a view that fails is an attempt as well", async (t) => {
  const { port, audit, errors } = await startServer(t, { tokens: TOKENS, views: { reload: () => Promise.reject(new Error("boom")) } });
  assert.equal((await post(port, "/v1/reload", {})).status, 500);
  assert.deepEqual(
    audit.entries.map(({ outcome }) => outcome),
    ["error"],
  );
  assert.equal(errors.length, 1);
});

test("strangers cannot push out the history: beyond 20 a minute they are a number", () => {
  let nowMs = 1_000_000;
  const trail = memoryTrail();
  const limited = limitStrangers(trail, () => nowMs);
  for (let i = 0; i < 500; i++) limited.record(ENTRY);
  limited.record({ ...ENTRY, caller: "ci", outcome: "applied" });
  assert.equal(trail.entries.length, 21);
  nowMs += 60_000;
  limited.record(ENTRY);
  assert.deepEqual(
    trail.entries.slice(21).map(({ note }) => note),
    ["480 more were refused and are not listed", ""],
  );
  limited.flush();
  assert.equal(trail.entries.length, 23);
});

test("what was left out is told of at the end", () => {
  const trail = memoryTrail();
  const limited = limitStrangers(trail, () => 0);
  for (let i = 0; i < 22; i++) limited.record(ENTRY);
  limited.flush();
  assert.equal(trail.entries.at(-1)?.note, "2 more were refused and are not listed");
});
