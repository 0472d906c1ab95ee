// What the clients of HTTP/1.1 connections and of HTTP/2 streams to a service may hold while they are slow.
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import type { UpstreamTarget } from "../../src/engine/model/endpoint.js";
import { http2TargetOf, listening, Notes, type RawServer, requestOf, startConnector, targetOf, until } from "../unit/upstream/support.js";
import { seeded } from "./attack-support.js";

const PLACES = 4;
const SHARE = 3;
const BIG = Buffer.alloc(8 * 1024 * 1024, "0123456789abcdef");
const PATIENCE_MS = 1_000;

/** What is asked for decides: `/early` is answered at its head, `/deaf` never read, `/big` long. */
function answer(request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): void {
  if (request.url === "/deaf") return;
  request.resume();
  if (request.url === "/early") (response as ServerResponse).write("early");
  else if (request.url === "/big") response.end(BIG);
  else request.on("end", () => response.end("done"));
}

function startService(version: string): Promise<RawServer> {
  const sockets: Socket[] = [];
  const server = version === "http1" ? createServer({ requestTimeout: 0 }, answer) : createHttp2Server({ maxSessionMemory: 1_000 }, answer);
  server.on("connection", (socket: Socket) => sockets.push(socket.on("error", () => undefined)));
  server.on("session", (session: { on(event: string, listener: () => void): void }) => session.on("error", () => undefined));
  return listening(server as Parameters<typeof listening>[0], sockets);
}

for (const version of ["http1", "http2"]) {
  describe(`over ${version}, ${PLACES} places`, () => {
    let server: RawServer;
    let bench: ReturnType<typeof startConnector>;

    before(async () => {
      server = await startService(version);
    });
    after(() => server.close());
    beforeEach(() => {
      bench = startConnector();
    });
    afterEach(() => bench.close());

    const places = version === "http1" ? { maxConnections: PLACES } : { maxConnections: 1 };
    const http2 = { maxConcurrentStreams: PLACES, streamWindowBytes: 65_535, maxStreamWindowBytes: 65_535, pingMs: 0 };
    const target = (change: Partial<UpstreamTarget> = {}): UpstreamTarget =>
      version === "http1" ? targetOf(server.port, { ...places, ...change }) : http2TargetOf(server.port, { ...places, http2, ...change });
    const upload = (path = "/", change: Partial<UpstreamTarget> = {}): Notes =>
      new Notes().start(bench.connector, target(change), requestOf({ method: "POST", target: path, bodyLength: -1 }));
    const ask = (path = "/", change: Partial<UpstreamTarget> = {}): Notes =>
      new Notes().start(bench.connector, target(change), requestOf({ target: path }));
    const isConnected = (notes: Notes): boolean => notes.events.includes("connected");
    const connected = (all: readonly Notes[]): number => all.filter(isConnected).length;
    const waiting = (): number => bench.connector.stats().waitingRequests;

    async function fillShare(path = "/"): Promise<Notes[]> {
      // The first one finds out how many there may be.
      assert.equal(await ask().over, "end");
      const all = Array.from({ length: SHARE }, () => upload(path));
      await until(() => connected(all) === SHARE, "the share");
      return all;
    }

    /** Downloads whose clients take nothing. */
    async function stopReaders(count: number, change: Partial<UpstreamTarget> = {}): Promise<Notes[]> {
      assert.equal(await ask("/", change).over, "end");
      const all = Array.from({ length: count }, () => {
        const notes = new Notes();
        notes.onBody = () => {
          if (notes.events.includes("stopped")) return;
          notes.events.push("stopped");
          notes.call?.pause();
        };
        return notes.start(bench.connector, target(change), requestOf({ target: "/big" }));
      });
      await until(() => all.every(({ events }) => events.includes("stopped")), "the readers");
      return all;
    }

    test("an upload beyond the share waits although there is a place, which others get at once", async () => {
      await fillShare();
      const late = upload();
      assert.equal(await ask().over, "end");
      assert.equal(isConnected(late), false);
      assert.equal(waiting(), 1);
    });

    test("an upload that waits is no longer one when its body is whole", async () => {
      await fillShare();
      const [first, second] = [upload(), upload()];
      second.call?.bodyArrived(true);
      await until(() => isConnected(second), "the one whose body is here");
      second.call?.write(Buffer.from("all of it"));
      second.call?.end();
      assert.equal(await second.over, "end");
      assert.equal(isConnected(first), false);
    });

    test("a place of the share goes to the upload that does not wait for its client", async () => {
      const [gone] = await fillShare();
      const [partial, full] = [upload(), upload()];
      full.call?.bodyArrived(false);
      gone?.call?.abort();
      await until(() => isConnected(full), "the full one");
      assert.equal(isConnected(partial), false);
    });

    for (const [how, path, act] of [
      ["is complete", "/", (notes: Notes) => notes.call?.end()],
      ["is answered", "/early", (notes: Notes) => notes.call?.write(Buffer.from("x"))],
      ["is given up", "/", (notes: Notes) => notes.call?.abort()],
    ] as const) {
      test(`an upload that ${how} makes room in the share`, async () => {
        const all = await fillShare(path === "/early" ? "/" : path);
        all[0]?.call?.abort();
        const ending = upload(path);
        await until(() => isConnected(ending), "the place of the aborted one");
        const late = upload();
        act(ending);
        await until(() => isConnected(late), "its place");
      });
    }

    test("when too many wait for their bodies, the oldest goes, never one whose body is here", async () => {
      const limit = { maxPendingRequests: 1 };
      await fillShare();
      // One in the queue, and one for the place that is not of the share.
      const [full, oldest] = [upload("/", limit), upload("/", limit)];
      full.call?.bodyArrived(false);
      const newest = upload("/", limit);
      assert.equal(await oldest.over, "upstream-overflow");
      assert.deepEqual([full.error, newest.error], ["", ""]);
      assert.equal(await ask("/", limit).over, "end");
    });

    test("readers that take nothing keep their places while there is one for everybody", async () => {
      const readers = await stopReaders(SHARE);
      await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS + 200));
      for (let i = 0; i < 5; i++) assert.equal(await ask().over, "end");
      for (const { error } of readers) assert.equal(error, "");
    });

    test("of readers beyond the share, the one that has taken nothing for longest is cut off when others wait", async () => {
      const readers = await stopReaders(PLACES);
      const startedAt = performance.now();
      assert.equal(await ask().over, "end");
      assert.ok(performance.now() - startedAt > PATIENCE_MS / 2, "not at once");
      assert.deepEqual(readers.map(({ error }) => error).sort(), ["", "", "", "slow-client"]);
      const cut = readers.find(({ error }) => error !== "");
      assert.match(cut?.detail ?? "", /^the client took nothing for \d+ ms while others waited for the service$/);
      for (let i = 0; i < 5; i++) assert.equal(await ask().over, "end");
      assert.equal(readers.filter(({ error }) => error !== "").length, 1, "one place is enough");
    });

    test("readers that go on are not cut off", async () => {
      const readers = await stopReaders(PLACES);
      const late = ask();
      const timer = setInterval(() => {
        for (const { call } of readers) {
          call?.resume();
          call?.pause();
        }
      }, 100);
      await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS + 500));
      clearInterval(timer);
      for (const { error } of readers) assert.equal(error, "");
      for (const { call } of readers) call?.resume();
      assert.equal(await late.over, "end");
    });

    test("with a share of 100 % nobody is cut off for reading slowly", async () => {
      const all = { maxSlowClientPercent: 100, connectTimeoutMs: PATIENCE_MS + 500 };
      const readers = await stopReaders(PLACES, all);
      const late = ask("/", all);
      assert.equal(await late.over, "upstream-overflow");
      for (const { error } of readers) assert.equal(error, "");
    });

    test("a slow upload is cut off when one waits of which much is here; one that the service holds up is not", async () => {
      const [slow] = await fillShare();
      slow?.call?.abort();
      const deaf = upload("/deaf");
      await until(() => isConnected(deaf), "the one that the service does not read");
      while (deaf.call?.write(Buffer.alloc(65_536)) === true);
      const full = upload("/", { connectTimeoutMs: 5_000 });
      full.call?.bodyArrived(false);
      await until(() => isConnected(full), "a place");
      assert.equal(deaf.error, "");
    });

    test("a fast beginning does not pay for an upload that then stands still", async () => {
      const all = await fillShare();
      for (const { call } of all) call?.write(Buffer.alloc(60_000));
      const full = upload("/", { connectTimeoutMs: 5_000 });
      full.call?.bodyArrived(false);
      await until(() => isConnected(full), "a place");
      assert.deepEqual(all.map(({ error }) => error).sort(), ["", "", "slow-client"]);
    });

    test("uploads that go on at more than a kilobyte per second are not cut off", async () => {
      const all = await fillShare();
      const timer = setInterval(() => all.forEach(({ call }) => void call?.write(Buffer.alloc(300))), 100);
      const full = upload("/", { connectTimeoutMs: 3_000 });
      full.call?.bodyArrived(false);
      assert.equal(await full.over, "upstream-overflow");
      clearInterval(timer);
      assert.match(full.detail, /^all of the 75 % of the places that uploads may have are in use$/);
      for (const { error } of all) assert.equal(error, "");
    });

    test("whatever ends them, all places can be used again", async () => {
      const below = seeded(7);
      const all: Notes[] = [];
      for (let i = 0; i < 300; i++) {
        const notes = below(2) === 0 ? ask(below(2) === 0 ? "/" : "/big") : upload(below(3) === 0 ? "/early" : "/");
        notes.onBody = () => {
          if (below(3) === 0) notes.call?.pause();
        };
        all.push(notes);
        const other = all[below(all.length)];
        const act = below(6);
        if (act === 0) other?.call?.abort();
        else if (act === 1) other?.call?.bodyArrived(below(2) === 0);
        else if (act === 2) other?.call?.resume();
        else if (act === 3 && other !== undefined && isConnected(other)) other.call?.end();
        else if (act === 4) other?.call?.pause();
        if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      for (const { call } of all) call?.abort();
      await until(() => waiting() === 0, "nobody waits");
      const uploads = await fillShare();
      assert.equal(await ask().over, "end");
      for (const notes of uploads) notes.call?.end();
      for (const notes of uploads) assert.equal(await notes.over, "end");
    });
  });
}
