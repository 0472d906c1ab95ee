/** The registry's server on real sockets, less patient than that of a gateway. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { createInstanceTable } from "../../../src/registry/instance-table.js";
import { createMemoryRegistry } from "../../../src/registry/memory-registry.js";
import { createRegistryApi } from "../../../src/registry/registry-api.js";
import { openRegistryServer, type RegistryServer } from "../../../src/registry/registry-server.js";
import { fetchOnce } from "../../support/client.js";

const LIMITS = { headersTimeout: 500, requestTimeout: 1_000, connectionsCheckingInterval: 200 };
const TIMES = { graceMs: 1_000, drainMs: 1_000, retentionMs: 1_000 };

describe("the server of the registry", () => {
  let server: RegistryServer;

  before(async () => {
    const table = createInstanceTable();
    const registry = createMemoryRegistry({ table, times: TIMES, now: Date.now, settleMs: 0 });
    const api = createRegistryApi({ table, registry: () => registry, tokens: () => [] });
    server = await openRegistryServer({ host: "127.0.0.1", port: 0 }, api, LIMITS);
  });
  after(() => server?.close());

  /** What comes until the connection ends. */
  function answerTo(text: string): Promise<string> {
    return new Promise((resolve) => {
      let answer = "";
      const socket = connect(server.port, "127.0.0.1", () => socket.write(text));
      socket.on("data", (bytes: Buffer) => {
        answer += bytes.toString();
      });
      socket.once("close", () => resolve(answer)).once("error", () => resolve(answer));
    });
  }

  it("does not wait for a slow body for ever, and serves others meanwhile", async () => {
    const head =
      "PUT /v1/services/orders/instances/slow HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n";
    const slow = Array.from({ length: 300 }, () => answerTo(head));
    const body = JSON.stringify({ address: "10.0.0.1:80" });
    const headers = { "content-type": "application/json" };
    const url = `http://127.0.0.1:${server.port}/v1/services/orders/instances/one`;
    assert.equal((await fetchOnce(url, { method: "PUT", headers, body })).status, 201);
    for (const answer of await Promise.all(slow)) assert.match(answer, /^(HTTP\/1\.1 408 |$)/);
  });
});
