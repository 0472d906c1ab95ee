import assert from "node:assert/strict";
import { it, mock } from "node:test";
import { createFollower, type Follow } from "../../../src/discovery/follower.js";
import type { EndpointSpec } from "../../../src/engine/model/snapshot.js";

const ENDPOINT: EndpointSpec = { host: "127.0.0.1", port: 1, weight: 1, zone: "", priority: 0, labels: {} };

function follow(conversation: Follow) {
  const news: unknown[] = [];
  const sink = {
    found: (endpoints: readonly EndpointSpec[]) => void news.push(endpoints.length),
    failed: (message: string) => void news.push(message),
    planned: () => {},
  };
  return { news, source: createFollower(conversation, sink) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

it("begins again, ever more rarely, when a conversation breaks off, and quickly after news", async (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  let talks = 0;
  const { news, source } = follow(async (found) => {
    talks++;
    if (talks === 4) found([ENDPOINT]);
    throw new Error(`broken ${talks}`);
  });
  source.start();
  await settled();
  const talksAfter = async (ms: number): Promise<number> => {
    mock.timers.tick(ms);
    await settled();
    return talks;
  };
  assert.equal(talks, 1);
  // The pause is between half and all of 1, 2, 4 s.
  assert.equal(await talksAfter(499), 1);
  assert.equal(await talksAfter(501), 2);
  assert.equal(await talksAfter(999), 2);
  assert.equal(await talksAfter(1_001), 3);
  assert.equal(await talksAfter(1_999), 3);
  assert.equal(await talksAfter(2_001), 4);
  assert.equal(await talksAfter(499), 4, "a pause after news");
  assert.equal(await talksAfter(501), 5, "the first pause again after news");
  assert.deepEqual(news, ["broken 1", "broken 2", "broken 3", 1, "broken 4", "broken 5"]);
  source.stop();
  assert.equal(await talksAfter(60_000), 5);
});

it("begins the next conversation when one ends as planned, but not in a circle", async (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  let talks = 0;
  const { news, source } = follow(async () => {
    talks++;
  });
  source.start();
  for (let second = 0; second < 3; second++) {
    await settled();
    mock.timers.tick(1_000);
  }
  await settled();
  assert.ok(talks >= 3 && talks <= 5, `${talks} conversations in three seconds`);
  assert.deepEqual(news, []);
  source.stop();
});

it("says nothing once it is stopped", async () => {
  let say: (endpoints: readonly EndpointSpec[]) => void = () => {};
  const { news, source } = follow((found, stop) => {
    say = found;
    return new Promise((_, reject) => stop.addEventListener("abort", () => reject(new Error("stopped"))));
  });
  source.start();
  say([ENDPOINT]);
  source.stop();
  say([ENDPOINT]);
  await settled();
  assert.deepEqual(news, [1]);
});
