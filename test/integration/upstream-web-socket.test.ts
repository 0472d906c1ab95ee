import assert from "node:assert/strict";
import { test } from "node:test";
import type { Timers } from "../../src/proxy/ports.js";
import { createTimerWheel } from "../../src/proxy/timer-wheel.js";
import { createConnector } from "../../src/upstream/connector.js";
import { eventually } from "../support/gateway.js";
import { startWebSocketUpstream } from "../support/web-socket.js";
import { Notes, requestOf, targetOf } from "../unit/upstream/support.js";

test("a connection that became a WebSocket leaves no timer armed: the wheel would keep everything until it fires", async () => {
  const service = await startWebSocketUpstream();
  const wheel = createTimerWheel();
  const armed = new Set<object>();
  const timers: Timers = {
    create(onFire) {
      const timer = wheel.create(onFire);
      return {
        arm(delayMs) {
          armed.add(timer);
          timer.arm(delayMs);
        },
        cancel() {
          armed.delete(timer);
          timer.cancel();
        },
      };
    },
  };
  const connector = createConnector({ timers });
  const target = targetOf(Number(service.address.split(":")[1]), { connectionAgeMs: 3_600_000 });
  const notes = new Notes().start(connector, target, requestOf({ isWebSocket: true }));
  assert.equal(await notes.over, "upgrade");
  assert.equal(armed.size, 0, "while it is open");
  assert.deepEqual([connector.stats().connections, connector.stats().webSockets], [0, 1]);
  const events = { onMessage() {}, onPing() {}, onPong() {}, onDrain() {}, onClose() {}, onAbort() {} };
  notes.webSocket?.open(events, 1000);
  notes.webSocket?.close(1000, new Uint8Array(0));
  await eventually(() => connector.stats().webSockets === 0, "the end");
  assert.equal(armed.size, 0, "after its end");
  assert.equal(connector.stats().pools, 0);
  connector.close();
  wheel.stop();
  await service.close();
});
