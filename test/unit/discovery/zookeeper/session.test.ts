/** Sessions with servers that are none, or not well. */
import assert from "node:assert/strict";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { FrameReader } from "../../../../src/discovery/zookeeper/frames.js";
import { JuteReader, JuteWriter } from "../../../../src/discovery/zookeeper/jute.js";
import { OPCODE, watchingRequest } from "../../../../src/discovery/zookeeper/messages.js";
import { openSession, type SessionOptions } from "../../../../src/discovery/zookeeper/session.js";

const PASSWORD = "s3cret-4711";

interface Talk {
  readonly frames: Buffer[];
  readonly socket: Socket;
}

async function serve(t: TestContext, onFrame: (frame: Buffer, talk: Talk) => void): Promise<string> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    const reader = new FrameReader(10_000);
    const talk: Talk = { frames: [], socket };
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      for (const frame of reader.push(chunk)) {
        talk.frames.push(frame);
        onFrame(frame, talk);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function granted(timeoutMs: number): Buffer {
  return new JuteWriter().int(0).int(timeoutMs).long(1n).buffer(Buffer.alloc(16)).boolean(false).frame();
}

function options(server: string, changes: Partial<SessionOptions> = {}): SessionOptions {
  const nothing = (): void => {};
  const user = { username: "", password: "" };
  return {
    ...{ server, ...user, sessionTimeoutMs: 300, lastSeen: 0n, stop: new AbortController().signal },
    ...{ onEvent: nothing, onPong: nothing, onEnd: nothing, ...changes },
  };
}

const list = (xid: number): Buffer => watchingRequest(xid, OPCODE.getChildren, "/a");

describe("a session with ZooKeeper", () => {
  it("is not granted by one that ends the connection, says nothing, or speaks of something else", async (t) => {
    const ending = await serve(t, (_, { socket }) => void socket.end());
    await assert.rejects(openSession(options(ending)), /^Error: refuses a session$/);
    const silent = await serve(t, () => {});
    await assert.rejects(openSession(options(silent)), /^Error: says nothing for 200 ms$/);
    const http = await serve(t, (_, { socket }) => void socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await assert.rejects(openSession(options(http)), /sent a message of more than \d+ bytes/);
    const expired = await serve(t, (_, { socket }) => void socket.write(granted(0)));
    await assert.rejects(openSession(options(expired)), /grants no session/);
    const nobody = await serve(t, () => {});
    await assert.rejects(openSession(options(nobody.replace(/:\d+$/, ":1"))), /ECONNREFUSED/);
  });

  it("ends when the server says nothing more, and with it every question", async (t) => {
    const server = await serve(t, (_, { frames, socket }) => void (frames.length === 1 && socket.write(granted(150))));
    let ends = 0;
    const session = await openSession(options(server, { onEnd: () => void ends++ }));
    await assert.rejects(session.send(list), /^Error: says nothing for 100 ms$/);
    assert.match(String(session.error), /says nothing/);
    await assert.rejects(session.send(list), /says nothing/);
    assert.equal(ends, 1);
  });

  it("lives for as long as pings are answered", async (t) => {
    const server = await serve(t, (_, { frames, socket }) => {
      socket.write(frames.length === 1 ? granted(60) : new JuteWriter().int(-2).long(0n).int(0).frame());
    });
    let pongs = 0;
    const { promise, resolve } = withResolvers();
    const session = await openSession(options(server, { onPong: () => void (++pongs === 6 && resolve()) }));
    await promise;
    assert.equal(session.error, null);
    session.close();
  });

  it("ends when answers come out of turn, or unasked", async (t) => {
    for (const xid of [1, 3]) {
      const server = await serve(t, (_, { frames, socket }) => {
        if (frames.length === 1) socket.write(granted(9_000));
        else socket.write(new JuteWriter().int(xid).long(0n).int(0).int(0).frame());
      });
      const session = await openSession(options(server));
      const answers = await Promise.allSettled([session.send(list), session.send(list)]);
      assert.match(String(session.error), /answered out of turn/);
      assert.equal(answers[1]?.status, "rejected");
    }
  });

  it("tells events, who asks, and the latest change that it knows", async (t) => {
    const seen: Buffer[] = [];
    const server = await serve(t, (frame, { frames, socket }) => {
      seen.push(frame);
      if (frames.length === 1) return void socket.write(granted(9_000));
      const xid = new JuteReader(frame).int();
      if (xid < 0) return;
      socket.write(new JuteWriter().int(-1).long(0n).int(0).int(4).int(3).text("/a").frame());
      socket.write(new JuteWriter().int(xid).long(77n).int(-101).frame());
    });
    const events: string[] = [];
    const user = { username: "reader", password: PASSWORD };
    const session = await openSession(
      options(server, { ...user, lastSeen: 5n, onEvent: (event, path) => void events.push(`${event} ${path}`) }),
    );
    assert.equal((await session.send(list)).error, -101);
    assert.deepEqual(events, ["childrenChanged /a"]);
    assert.equal(session.lastSeen, 77n);
    assert.ok(seen[1]?.includes(`reader:${PASSWORD}`));
    session.close();
    assert.equal(session.error?.message, "closed");
  });

  it("says goodbye when it is stopped, and does not wait for an answer", async (t) => {
    const { promise: left, resolve } = withResolvers();
    const server = await serve(t, (frame, { frames, socket }) => {
      if (frames.length === 1) socket.write(granted(9_000));
      else if (frame.equals(new JuteWriter().int(0).int(-11).frame().subarray(4))) resolve();
    });
    const stop = new AbortController();
    const session = await openSession(options(server, { stop: stop.signal }));
    const asked = assert.rejects(session.send(list), /closed/);
    stop.abort();
    await asked;
    await left;
    await assert.rejects(openSession(options(server, { stop: stop.signal })), /closed/);
  });
});

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
