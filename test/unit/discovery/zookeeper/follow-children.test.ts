/** Conversations with a server that has lost its data: what happens to real ones when nobody looks. */
import assert from "node:assert/strict";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { followChildren } from "../../../../src/discovery/zookeeper/follow-children.js";
import { FrameReader } from "../../../../src/discovery/zookeeper/frames.js";
import { JuteReader, JuteWriter } from "../../../../src/discovery/zookeeper/jute.js";

interface Keeper {
  readonly address: string;
  /** Its latest change; clients that have seen more are refused. */
  latest: bigint;
  nodes: Readonly<Record<string, string>>;
  /** What clients said they have seen. */
  readonly seen: bigint[];
  disconnect(): void;
}

const GET_DATA = 4;
const GET_CHILDREN = 8;

async function startKeeper(t: TestContext): Promise<Keeper> {
  let sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    const frames = new FrameReader(10_000);
    let isConnected = false;
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      for (const frame of frames.push(chunk)) {
        if (isConnected) reply(socket, frame);
        else isConnected = admit(socket, frame);
      }
    });
  });
  function admit(socket: Socket, frame: Buffer): boolean {
    const reader = new JuteReader(frame);
    reader.int();
    const lastSeen = reader.long();
    keeper.seen.push(lastSeen);
    if (lastSeen > keeper.latest) socket.end();
    else socket.write(new JuteWriter().int(0).int(9_000).long(1n).buffer(Buffer.alloc(16)).boolean(false).frame());
    return true;
  }
  function reply(socket: Socket, frame: Buffer): void {
    const reader = new JuteReader(frame);
    const [xid, opcode] = [reader.int(), reader.int()];
    const answer = new JuteWriter().int(xid).long(keeper.latest).int(0);
    if (opcode === GET_CHILDREN) {
      const names = Object.keys(keeper.nodes);
      answer.int(names.length);
      for (const name of names) answer.text(name);
      socket.write(answer.frame());
    } else if (opcode === GET_DATA) {
      const name = reader.text().slice("/app/".length);
      socket.write(
        answer
          .text(keeper.nodes[name] ?? "")
          .long(1n)
          .long(1n)
          .frame(),
      );
    }
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const disconnect = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets = [];
  };
  t.after(() => {
    disconnect();
    server.close();
  });
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const keeper: Keeper = { address, latest: 9n, nodes: { a: "10.0.0.1:80" }, seen: [], disconnect };
  return keeper;
}

function follow(keeper: Keeper) {
  const users = { username: "", password: "" };
  const settings = { ...users, sessionTimeoutMs: 5_000, isTls: false, minimumEndpoints: 1 };
  const followIt = followChildren({ type: "zookeeper", servers: [keeper.address], path: "/app", ...settings });
  /** One conversation, until something has been found or it ends. */
  return async (then: () => void): Promise<string> => {
    const stop = new AbortController();
    let found = "nothing";
    await followIt((endpoints) => {
      found = endpoints.map(({ host, port }) => `${host}:${port}`).join(" ");
      then();
    }, stop.signal).catch((error: Error) => {
      if (found === "nothing") found = error.message;
    });
    return found;
  };
}

describe("conversations with ZooKeeper", () => {
  it("refuse to go back, but not for ever", async (t) => {
    const keeper = await startKeeper(t);
    const converse = follow(keeper);
    assert.equal(await converse(keeper.disconnect), "10.0.0.1:80");
    assert.equal(await converse(keeper.disconnect), "10.0.0.1:80");
    assert.deepEqual(keeper.seen, [0n, 9n]);
    Object.assign(keeper, { latest: 3n, nodes: { b: "10.0.0.2:80" } });
    for (let i = 0; i < 3; i++)
      assert.match(await converse(() => {}), /^ZooKeeper cannot tell \/app \(127\.0\.0\.1:\d+: refuses a session\)$/);
    assert.equal(await converse(keeper.disconnect), "10.0.0.2:80");
    assert.deepEqual(keeper.seen.slice(2), [9n, 9n, 9n, 0n]);
  });

  it("find nothing where no node can be used, instead of an empty set", async (t) => {
    const keeper = await startKeeper(t);
    keeper.nodes = { a: "{", b: "" };
    assert.match(await follow(keeper)(() => {}), /none is usable: nodes in ZooKeeper are left out: 1 with .* \(such as a\)\)$/);
  });
});
