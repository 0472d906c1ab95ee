/** Event streams on real sockets, with a clock that is faster than that of a gateway. */
import assert from "node:assert/strict";
import { createServer, get, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { createInstanceTable } from "../../../src/registry/instance-table.js";
import { createInstanceViews } from "../../../src/registry/instance-views.js";
import { createMemoryRegistry } from "../../../src/registry/memory-registry.js";
import { createRegistryWatch } from "../../../src/registry/registry-watch.js";
import { eventually } from "../../support/gateway.js";

const SPEC = { service: "large", mayUse: () => true, knownIndex: null, isAllowed: () => true };
const TIMES = { graceMs: 1_000, drainMs: 1_000, retentionMs: 1_000 };

describe("an event stream of the registry", () => {
  const table = createInstanceTable();
  const registry = createMemoryRegistry({ table, times: TIMES, now: Date.now, settleMs: 0 });
  const watch = createRegistryWatch(table, createInstanceViews(table), 1_500);
  const fastWatch = createRegistryWatch(table, createInstanceViews(table), 50);
  const opened: ServerResponse[] = [];
  let isKnown = false;
  let isAllowed = true;
  const server = createServer(({ url }, response) => {
    opened.push(response);
    if (url === "/fast") return void fastWatch.open(response, { ...SPEC, isAllowed: () => isAllowed });
    if (!watch.open(response, { ...SPEC, knownIndex: isKnown ? table.indexOf("large") : null })) response.writeHead(503).end();
  });

  before(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  function register(id: string, weight: number): void {
    const labels = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`label-${i}`, "x".repeat(200)]));
    const rest = { zone: "", priority: 0, labels, version: "", identity: "", leaseMs: 3_600_000 };
    registry.register("large", id, { address: "10.0.0.1:80", weight, ...rest });
  }

  function open(path = "/"): Promise<IncomingMessage> {
    const { port } = server.address() as AddressInfo;
    return new Promise((resolve, reject) => {
      get({ port, path, agent: false }, resolve).once("error", reject);
    });
  }

  it("is cut when nobody reads it, holds no more than one state meanwhile, and holds up nobody", async () => {
    for (let i = 0; i < 60; i++) register(`i${i}`, 1);
    const stateBytes = createInstanceViews(table).of("large").json.length;
    const deaf = await open();
    const reader = await open();
    let text = "";
    reader.setEncoding("utf8").on("data", (chunk: string) => {
      text = (text + chunk).slice(-200_000);
    });
    const [unread, read] = opened as [ServerResponse, ServerResponse];
    let weight = 1;
    await eventually(
      () => {
        register("z", ++weight);
        assert.ok(unread.writableLength <= stateBytes + 64 * 1024, `${unread.writableLength} bytes wait`);
        return unread.destroyed;
      },
      "the cut",
      30_000,
    );
    await eventually(
      () => text.includes(`"id":"z","address":"10.0.0.1:80","weight":${weight},`),
      "the last change at the one that reads",
      30_000,
    );
    assert.ok(!read.destroyed);
    reader.destroy();
    deaf.destroy();
  });

  it("is cut when its token goes while nobody reads it", async () => {
    const deaf = await open("/fast");
    const response = opened.at(-1) as ServerResponse;
    let weight = 1;
    await eventually(() => {
      register("y", ++weight);
      return response.writableNeedDrain;
    }, "a full socket");
    isAllowed = false;
    await eventually(() => response.writableEnded, "the end that it does not read");
    // Another token of that name: what has ended stays so, and nothing is written after it.
    isAllowed = true;
    await eventually(() => response.destroyed, "the cut");
    deaf.destroy();
  });

  it("says something now and then", async () => {
    isKnown = true;
    const reader = await open();
    let text = "";
    reader.setEncoding("utf8").on("data", (chunk: string) => {
      text = (text + chunk).slice(-20);
    });
    await eventually(() => text.endsWith("\n\n:\n\n:\n\n"), "comments");
    reader.destroy();
  });

  it("is not opened for more than a thousand", async () => {
    isKnown = true;
    const readers = await Promise.all(Array.from({ length: 1_001 }, () => open()));
    assert.equal(readers.filter(({ statusCode }) => statusCode === 503).length, 1);
    for (const reader of readers) reader.destroy();
  });
});
