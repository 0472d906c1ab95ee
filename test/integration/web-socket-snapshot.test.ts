/**
 * Thousands of open WebSockets and a change of the configuration. The data plane gets its new snapshot by the message the
 * primary sends; what makes the primary send it (watching files, an admin call) is not part of this test.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createDataPlane, type DataPlane } from "../../src/control/data-plane.js";
import type { WorkerMessage } from "../../src/control/protocol.js";
import { eventually } from "../support/gateway.js";
import { type NotedSocket, openWebSocket, refusalOf, startWebSocketUpstream, type WebSocketUpstream } from "../support/web-socket.js";
import { accept } from "../unit/config/fixtures.js";
import { inParallel } from "./attack-support.js";

const SOCKETS = 2_000;

describe("open WebSockets", () => {
  let service: WebSocketUpstream;
  let other: WebSocketUpstream;
  let plane: DataPlane;
  let url = "";
  const told: WorkerMessage[] = [];

  const document = (route: string): string => `
listeners: [{ name: public, bind: "127.0.0.1:0", protocol: http }]
routes:
  - ${route}
services:
  - { name: one, endpoints: { static: [{ address: "${service.address}" }] } }
  - { name: two, endpoints: { static: [{ address: "${other.address}" }] } }
telemetry: { accessLog: { path: off } }
`;

  before(async () => {
    service = await startWebSocketUpstream();
    other = await startWebSocketUpstream({ onSocket: (socket) => socket.send("from the other") });
    const { snapshot } = accept(
      document("{ name: live, match: [{ path: { type: PathPrefix, value: /live } }], backends: [{ service: one }] }"),
    );
    const channel = { send: (message: WorkerMessage) => void told.push(message), onMessage: () => {}, onClose: () => {} };
    plane = createDataPlane(
      channel,
      {
        type: "start",
        workerId: 1,
        instance: "t",
        snapshot,
        keys: [],
        health: [],
        endpoints: [],
        overrides: { type: "overrides", version: 1, overrides: [] },
        ports: {},
        maxSockets: 0,
        addresses: {},
        ticketKeys: "",
        explainSecret: "",
      },
      { stdoutFd: 1, handles: new Map() },
    );
    await plane.listen();
    const ready = told.find((message) => message.type === "ready");
    url = `ws://127.0.0.1:${ready?.ports.public}`;
  });
  after(async () => {
    await plane.drain({ timeoutMs: 1_000, isPatient: () => false });
    await service.close();
    await other.close();
  });

  it(`${SOCKETS} of them outlive the route they came by, and speak on; new ones meet the new routes`, async () => {
    const clients: NotedSocket[] = [];
    await inParallel(Array.from({ length: SOCKETS }), 50, async () => void clients.push(await openWebSocket(`${url}/live`)));
    let closed = 0;
    for (const { socket } of clients) socket.on("close", () => closed++);
    for (const route of [
      "{ name: moved, match: [{ path: { type: PathPrefix, value: /moved } }], backends: [{ service: two }] }",
      "{ name: live, match: [{ path: { type: PathPrefix, value: /live } }], backends: [{ service: two }] }",
    ]) {
      const { snapshot } = accept(document(route));
      plane.receive({ type: "snapshot", snapshot });
      assert.ok(told.some((message) => message.type === "ack" && message.version === snapshot.version));
      for (const { socket } of clients) socket.send("hello");
      const sent = route.includes("moved") ? 1 : 2;
      await eventually(() => clients.every(({ messages }) => messages.length === sent), "every socket's echo", 30_000);
      if (sent === 1) assert.equal((await refusalOf(`${url}/live`)).status, 404);
    }
    assert.equal(closed, 0);
    const fresh = await openWebSocket(`${url}/live`);
    await fresh.untilMessages(1);
    assert.equal(fresh.messages[0]?.data.toString(), "from the other");
    for (const { socket } of [...clients, fresh]) socket.terminate();
  });
});
