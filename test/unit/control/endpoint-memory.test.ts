import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { createEndpointMemory, type EndpointMemory } from "../../../src/control/endpoint-memory.js";
import type { RememberedSet } from "../../../src/discovery/sources.js";
import { createProcessLog } from "../../../src/telemetry/process-log.js";
import { endpointSpec } from "../engine/balancing/endpoints.js";

interface Bench {
  readonly path: string;
  readonly memory: EndpointMemory;
  /** Lets the time go by after which it is written. */
  wait(): void;
}

function open(context: TestContext): Bench {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const folder = mkdtempSync(join(tmpdir(), "windrose-memory-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const memory = createEndpointMemory(folder, createProcessLog("test", { level: "silent" }));
  return { path: join(folder, "endpoints.json"), memory, wait: () => context.mock.timers.tick(60_000) };
}

function set(host: string): () => RememberedSet[] {
  return () => [{ service: "app", place: "file", confirmedAtMs: 1, changedAtMs: 1, endpoints: [endpointSpec(host)] }];
}

const hosts = (memory: EndpointMemory): string[] => memory.load().flatMap(({ endpoints }) => endpoints.map(({ host }) => host));

describe("the memory of endpoints", () => {
  it("writes the last of many changes", (t) => {
    const { memory, wait } = open(t);
    for (const host of ["a", "b", "c"]) memory.changed(set(host));
    wait();
    assert.deepEqual(hosts(memory), ["c"]);
  });

  for (const isPlanned of [true, false]) {
    it(`writes nothing once another process has taken over, ${isPlanned ? "also what was planned" : "also what changes later"}`, (t) => {
      const { memory, path, wait } = open(t);
      if (isPlanned) memory.changed(set("planned"));
      memory.stop();
      wait();
      memory.changed(set("later"));
      wait();
      assert.equal(existsSync(path), false);
    });
  }

  it("writes on when the other process has failed, what changed meanwhile first", (t) => {
    const { memory, wait } = open(t);
    memory.changed(set("planned"));
    memory.stop();
    memory.resume();
    wait();
    assert.deepEqual(hosts(memory), ["planned"]);
    memory.changed(set("after"));
    wait();
    assert.deepEqual(hosts(memory), ["after"]);
  });
});
