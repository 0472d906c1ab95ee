/** How connections end in order, pings, and what settings of the peer do (RFC 9113 §6.5, §6.7, §6.8). */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GET_REQUEST, OK, Probe } from "./probe.js";
import * as raw from "./raw-frames.js";

describe("a server that goes away", () => {
  it("does so in two steps, and loses no request that came between them", () => {
    const probe = Probe.ready("server");
    probe.connection.announceGoAway();
    probe.connection.announceGoAway();
    assert.deepEqual(probe.frames(), ["GOAWAY 2147483647 NO_ERROR"]);
    assert.equal(probe.connection.isGoingAway, true);
    probe.feed(raw.headers(1, raw.POST, false));
    probe.connection.goAway(0);
    assert.deepEqual(probe.frames(), ["GOAWAY 1 NO_ERROR"]);
    probe.feed(raw.headers(3, raw.POST, false), raw.data(3, "x"), raw.headers(3, ["x: y"]), raw.reset(3, 8), raw.data(1, "body", true));
    assert.deepEqual(probe.events, ["request 1 POST /", "data 1 body END"]);
    probe.connection.sendResponse(probe.stream(1), OK, true);
    assert.deepEqual(probe.frames(), ["HEADERS 1 END"]);
    assert.equal(probe.connection.openStreams, 0);
    assert.equal(probe.refusal(), "");
  });
});

describe("a client whose server goes away", () => {
  it("learns which requests are safe to repeat, and opens no more", () => {
    const probe = Probe.ready("client");
    for (let i = 0; i < 3; i++) probe.get();
    probe.feed(raw.goAway(0x7fff_ffff, 0));
    assert.equal(probe.connection.canRequest, false);
    assert.equal(probe.connection.sendRequest(GET_REQUEST, true), null);
    probe.feed(raw.goAway(1, 0), raw.headers(1, [":status: 200"]));
    assert.deepEqual(probe.events, [
      "goaway 2147483647 NO_ERROR",
      "reset 3 by peer REFUSED_STREAM",
      "reset 5 by peer REFUSED_STREAM",
      "goaway 1 NO_ERROR",
      "response 1 200 END",
    ]);
  });

  it("takes no larger last stream for an answer", () => {
    assert.equal(Probe.ready("client").feed(raw.goAway(1, 0), raw.goAway(3, 0)).refusal(), "go-away-increased PROTOCOL_ERROR");
  });
});

describe("settings of the peer", () => {
  it("bound how many requests may be open", () => {
    const probe = Probe.ready("client").feed(raw.settings([3, 1]));
    probe.get();
    assert.equal(probe.connection.canRequest, false);
    probe.feed(raw.headers(1, [":status: 200"]));
    assert.equal(probe.connection.canRequest, true);
    assert.equal(probe.connection.peer.maxConcurrentStreams, 1);
  });

  it("tell whether extended CONNECT is understood, and cannot take it back", () => {
    const probe = Probe.ready("client").feed(raw.settings([8, 1]));
    assert.equal(probe.connection.peer.allowsExtendedConnect, true);
    assert.equal(probe.feed(raw.settings([8, 0])).refusal(), "bad-setting PROTOCOL_ERROR");
  });

  it("may not allow a client to be pushed to", () => {
    assert.equal(
      Probe.ready("client")
        .feed(raw.settings([2, 1]))
        .refusal(),
      "bad-setting PROTOCOL_ERROR",
    );
    assert.equal(
      Probe.ready("server")
        .feed(raw.settings([2, 1]))
        .refusal(),
      "",
    );
    assert.equal(
      Probe.ready("client")
        .feed(raw.rawFrame(5, 4, 1, raw.uint32(2)))
        .refusal(),
      "push-promise PROTOCOL_ERROR",
    );
  });
});

describe("a ping", () => {
  it("is answered by its own payload alone, one at a time", () => {
    const probe = Probe.ready("client");
    assert.equal(probe.connection.ping(), true);
    assert.equal(probe.connection.ping(), false);
    const [sent] = probe.frames();
    assert.equal(sent, "PING windrose");
    probe.feed(raw.ping("12345678", 1));
    assert.deepEqual(probe.events, []);
    probe.feed(raw.ping("windrose", 1), raw.ping("windrose", 1));
    assert.deepEqual(probe.events, ["ping ack"]);
    assert.equal(probe.connection.ping(), true);
  });
});

describe("a connection that was refused", () => {
  it("says GOAWAY once and does nothing more, whatever it is told", () => {
    const probe = Probe.ready("server").feed(raw.headers(1, raw.GET), raw.rawFrame(0, 0, 0));
    const stream = probe.stream(1);
    const { connection } = probe;
    connection.sendResponse(stream, OK, false);
    connection.sendData(stream, Buffer.from("x"), true);
    connection.sendTrailers(stream, []);
    connection.reset(stream, 8);
    connection.goAway(0);
    connection.consume(stream, 1);
    assert.equal(connection.ping(), false);
    probe.feed(raw.headers(3, raw.GET));
    assert.deepEqual(probe.frames(), ["GOAWAY 1 PROTOCOL_ERROR"]);
    assert.deepEqual(probe.events, ["request 1 GET / END"]);
  });

  it("tells the other operator why", () => {
    const probe = Probe.ready("server").feed(raw.rawFrame(0, 0, 0));
    assert.equal(raw.parseFrames(probe.output())[0]?.payload.subarray(8).toString(), "bad-stream-id");
  });
});
