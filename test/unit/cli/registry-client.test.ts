import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createRegistryClient } from "../../../src/cli/registry-client.js";
import { eventually } from "../../support/gateway.js";

test("leaves in time when the registries hang, and gives up what is under way when it is closed", async (t) => {
  const asked: string[] = [];
  let underWay = 0;
  const server = createServer(({ method = "" }, response) => {
    asked.push(method);
    underWay++;
    response.once("close", () => underWay--);
    if (method === "PUT") response.writeHead(201).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const logged: string[] = [];
  const client = createRegistryClient({
    ...{ urls: [url, url, url], service: "orders", id: "one", token: "", registration: {} },
    ...{ leaseMs: 60_000, leaveMs: 200, log: (message: string) => logged.push(message) },
  });
  assert.equal(await client.start(), null);
  const startedAt = performance.now();
  await client.leave();
  const elapsedMs = performance.now() - startedAt;
  assert.ok(elapsedMs < 2_000, `${elapsedMs} ms`);
  assert.deepEqual(logged, ["the registry does not answer: the instance may stay until its lease is over"]);
  await eventually(() => asked.includes("DELETE"), "the DELETE, which goes on");
  client.close();
  await eventually(() => underWay === 0, "nothing under way", 3_000);
  assert.deepEqual([asked, logged.length], [["PUT", "DELETE"], 1]);
});
