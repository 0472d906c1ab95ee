/** The attacks that `http` listeners are tried with, on listeners of our own codecs: hidden requests, and clients that leave. */
import assert from "node:assert/strict";
import { connect } from "node:http2";
import { after, before, describe, it } from "node:test";
import { RequestParser } from "../../src/wire/http1/request-parser.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { connectRaw, parseResponses } from "../support/raw-socket.js";
import { HIDDEN, smugglingCorpus } from "../support/smuggling-corpus.js";
import { echo, inParallel, metric, type RecordingUpstream, sha, startRecordingUpstream, untilIdle } from "./attack-support.js";

/** Whether the request behind the first is one by the letter: on these listeners, it is then answered. */
function isPipelined(bytes: string): boolean {
  const targets: string[] = [];
  const events = { onHead: (request: { target: string }) => targets.push(request.target) > 0, onBody: () => true };
  const parser = new RequestParser(events);
  const buffer = Buffer.from(bytes, "latin1") as unknown as Parameters<RequestParser["feed"]>[0];
  let at = 0;
  do {
    parser.start();
    at = parser.feed(buffer, at, buffer.length);
  } while (parser.isComplete && at < buffer.length);
  // Names with an underscore are refused by the listener, not by the codec.
  return targets.includes("/smuggled") && !bytes.includes("Transfer_Encoding");
}

describe("attacks on h2c", () => {
  let upstream: RecordingUpstream;
  let gateway: Gateway;
  before(async () => {
    upstream = await startRecordingUpstream(echo);
    gateway = await startGateway(`
listeners: [{ name: public, bind: "127.0.0.1:0", protocol: h2c }]
routes: [{ name: all, backends: [{ service: app }] }]
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  /** The body of each answer says which request it belongs to. */
  async function honestClient(name: string, isOver: () => boolean): Promise<void> {
    const raw = await connectRaw({ port: gateway.port("public") });
    for (let count = 0; !isOver() || count < 20; count++) {
      const id = `${name}-${count}`;
      const body = id.repeat(1 + (count % 300));
      raw.send(`POST /honest/${id} HTTP/1.1\r\nHost: api.test\r\nX-Id: ${id}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      const text = await raw.until((all) => parseResponses(all).length > count, 10_000);
      assert.equal(parseResponses(text)[count]?.body, `${id} /honest/${id} ${sha(body)}`);
    }
    raw.destroy();
  }

  it("only requests that are ones by the letter reach the service, and each client gets its own answers", async () => {
    let isOver = false;
    const honest = [1, 2].map((number) => honestClient(`h${number}`, () => isOver));
    const corpus = smugglingCorpus();
    await inParallel(corpus, 32, async (bytes, index) => {
      const raw = await connectRaw({ port: gateway.port("public") });
      const cuts = index % 3 === 0 ? [bytes.indexOf("\r\n\r\n") + 4] : index % 3 === 1 ? [7, bytes.length - HIDDEN.length - 3] : [];
      await raw.sendSplit(
        bytes,
        cuts.filter((cut) => cut > 0).sort((a, b) => a - b),
      );
      const wanted = isPipelined(bytes) ? 2 : 1;
      await raw.until((text) => parseResponses(text).length >= wanted, wanted === 2 ? 5_000 : 150).catch(() => "");
      raw.destroy();
    });
    isOver = true;
    await Promise.all(honest);
    assert.deepEqual(upstream.faults, []);
    const hidden = upstream.requests.filter(({ target }) => target.startsWith("/smuggled")).length;
    assert.equal(hidden, corpus.filter(isPipelined).length);
    await untilIdle(gateway);
  });

  it("clients of HTTP/2 that leave in any phase leave nothing behind", async () => {
    await inParallel(Array.from({ length: 60 }), 12, async (_, index) => {
      const session = connect(`http://127.0.0.1:${gateway.port("public")}`);
      session.on("error", () => {});
      for (let i = 0; i < 10; i++) {
        const stream = session.request({ ":method": "POST", ":path": `/leave/${index}`, "x-id": "l" });
        stream.on("error", () => {});
        stream.write("part of a body");
        if (i % 3 === 0) stream.end();
        if (i % 4 === 0) stream.close(8);
      }
      for (let turns = index % 5; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      session.destroy();
    });
    await untilIdle(gateway, 30_000);
    await eventually(async () => (await metric(gateway, "windrose_downstream_connections")) === 0, "no downstream connections");
    assert.doesNotMatch(gateway.stderr(), /bug|ended unexpectedly/);
  });
});
