import assert from "node:assert/strict";
import { test } from "node:test";
import type { GatewayStatus } from "../../../src/cli/status.js";
import { statusText } from "../../../src/cli/status-text.js";
import { painter } from "../../../src/cli/terminal.js";

/** Renames the window, moves up, is an escape sequence in one character, turns the text around. */
const EVIL = "\u001b]0;mine\u0007\u001b[1A\u009b2J\u202e";
const TIME = "2026-01-01T00:00:00.000Z";

const STATUS: GatewayStatus = {
  admin: "http://127.0.0.1:9901",
  info: { version: "1.0.0", startedAt: TIME, snapshotVersion: "v", workers: [], workerRestarts: 0, listeners: [] },
  configuration: {
    ...{ version: "v", sequence: 1, since: TIME, source: "admin", author: `ci${EVIL}`, note: `why${EVIL}`, path: `a${EVIL}` },
    disk: { state: "same" },
    lastReload: { at: TIME, trigger: "admin", author: `ci${EVIL}`, outcome: { result: "failed", message: `no${EVIL}` } },
  },
  guard: { state: "idle" },
  readiness: { isReady: false, reasons: [`no${EVIL}`] },
  troubles: {
    services: [],
    sources: [
      {
        ...{ service: "app", type: "dns", source: `dns${EVIL}`, status: "stale", endpoints: 1, version: 1, ageSeconds: 1, failures: 1 },
        ...{ confirmedAt: TIME, changedAt: TIME, nextTryAt: TIME, lastError: `no${EVIL}`, note: `no${EVIL}` },
      },
    ],
  },
};

test("notes, authors and errors cannot command the terminal of whoever looks", () => {
  const text = statusText(STATUS, painter({ write: () => {} }, {}), Date.parse(TIME));
  assert.match(text, /by ci\uFFFD.*: why\uFFFD/);
  assert.doesNotMatch(text.replaceAll("\n", ""), /\p{Cc}|[\u2028-\u202e]/u);
});
