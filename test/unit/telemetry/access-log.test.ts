import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createAccessLog } from "../../../src/telemetry/access-log.js";
import { combineObservers } from "../../../src/telemetry/combine-observers.js";
import { exchangeRecord } from "./exchange-record.js";

const directory = mkdtempSync(join(tmpdir(), "windrose-access-"));
after(() => rmSync(directory, { recursive: true, force: true }));

function loggedIds(path: string): string[] {
  const lines = readFileSync(path, "utf8").split("\n").filter(Boolean);
  return lines.map((line) => (JSON.parse(line) as { requestId: string }).requestId);
}

test("every exchange gives one line, and lines are counted", async () => {
  const path = join(directory, "all");
  const log = createAccessLog({ path, sample: 1 });
  for (const requestId of ["a", "b", "c"]) log.observer.onComplete(exchangeRecord({ requestId }));
  await log.flush();
  assert.deepEqual(loggedIds(path), ["a", "b", "c"]);
  assert.deepEqual(
    log.readings.map((reading) => [reading.name, reading.read()]),
    [
      ["windrose_access_log_lines_total", 3],
      ["windrose_access_log_dropped_lines_total", 0],
    ],
  );
  await log.close();
});

test("sampling keeps its share, and always what the gateway failed at", async () => {
  const path = join(directory, "sampled");
  const draws = [0.09, 0.1, 0.99, 0.99];
  const log = createAccessLog({ path, sample: 0.1 }, { random: () => draws.shift() ?? 1 });
  log.observer.onComplete(exchangeRecord({ requestId: "kept" }));
  log.observer.onComplete(exchangeRecord({ requestId: "left-out" }));
  log.observer.onComplete(exchangeRecord({ requestId: "gateway-503", status: 503, isLocalReply: true, errorCode: "no-healthy-endpoint" }));
  log.observer.onComplete(exchangeRecord({ requestId: "service-500", status: 500 }));
  log.observer.onComplete(exchangeRecord({ requestId: "gateway-404", status: 404, isLocalReply: true, errorCode: "route-not-found" }));
  await log.close();
  assert.deepEqual(loggedIds(path), ["kept", "gateway-503"]);
});

test("`off` takes everything and writes nothing", async () => {
  const log = createAccessLog({ path: "off", sample: 1 });
  log.observer.onAccept("public");
  log.observer.onComplete(exchangeRecord());
  log.reopen();
  log.flushSync();
  await log.flush();
  await log.close();
  assert.deepEqual(log.readings, []);
});

test("combined observers all hear of every exchange", () => {
  const heard: string[] = [];
  const observer = (name: string) => ({
    onAccept: (listener: string) => void heard.push(`${name} accept ${listener}`),
    onComplete: () => void heard.push(`${name} complete`),
  });
  const combined = combineObservers(observer("a"), observer("b"));
  combined.onAccept("public");
  combined.onComplete(exchangeRecord());
  assert.deepEqual(heard, ["a accept public", "b accept public", "a complete", "b complete"]);
});
