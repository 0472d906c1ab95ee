/** WebSockets through a whole gateway, between real clients and real services: what crosses over, and who may enter. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { selfSigned } from "../support/certificates.js";
import { fetchOnce, logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { connectRaw, hasResponses } from "../support/raw-socket.js";
import { findFreePorts } from "../support/upstream.js";
import { type Closed, openWebSocket, refusalOf, startWebSocketUpstream, type WebSocketUpstream } from "../support/web-socket.js";

const HANDSHAKE = [
  "GET /echo HTTP/1.1",
  "Host: a.test",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/** The handshake with the field of a line replaced, or taken out when `line` is only a name. */
function handshakeWith(...lines: string[]): string {
  const changed = new Set(lines.map((line) => line.split(":")[0]?.toLowerCase()));
  const kept = HANDSHAKE.filter((line) => !changed.has(line.split(":")[0]?.toLowerCase()));
  return `${[...kept, ...lines.filter((line) => line.includes(":"))].join("\r\n")}\r\n\r\n`;
}

/** Both kinds of listeners promise the same. */
const LISTENERS = [
  { engine: "uWebSockets.js", plain: "http", secured: "https" },
  { engine: "our own codecs", plain: "h2c", secured: "h2" },
];

for (const { engine, plain, secured } of LISTENERS)
  describe(`WebSocket on ${engine}`, () => {
    let service: WebSocketUpstream;
    let full: WebSocketUpstream;
    let gateway: Gateway;
    let url = "";
    let secureUrl = "";

    before(async () => {
      service = await startWebSocketUpstream({
        chooseProtocol: (offered) => (offered.has("second") ? "second" : false),
        onUpgrade(request, socket) {
          if (!request.url?.startsWith("/refuses")) return false;
          const body = '{"why":"members only"}';
          const fields = `content-type: application/json\r\nx-why: closed\r\nset-cookie: a=1\r\ncontent-length: ${body.length}`;
          socket.end(`HTTP/1.1 403 Forbidden\r\n${fields}\r\nconnection: close\r\n\r\n${body}`);
          return true;
        },
      });
      full = await startWebSocketUpstream();
      const [deadPort] = await findFreePorts(1);
      const dead = `127.0.0.1:${deadPort}`;
      const { cert, key } = selfSigned("a.test", "b.test");
      gateway = await startGateway(
        `
listeners:
  - { name: public, bind: "127.0.0.1:0", protocol: ${plain} }
  - { name: secure, bind: "127.0.0.1:0", protocol: ${secured}, tls: { certificates: [{ cert: cert.pem, key: key.pem }] } }
routes:
  - { name: all, backends: [{ service: echo }] }
  - name: rewritten
    match: [{ path: { type: PathPrefix, value: /tenant }, headers: [{ name: x-tenant, value: blue }] }]
    filters: [{ requestHeaders: { set: { x-from: gateway } } }, { responseHeaders: { set: { x-edge: "1" }, remove: [x-powered-by] } }]
    backends: [{ service: echo }]
  - name: members
    match: [{ path: { type: PathPrefix, value: /members } }]
    filters: [{ jwt: { provider: main } }]
    backends: [{ service: echo }]
  - name: few
    match: [{ path: { type: PathPrefix, value: /few } }]
    filters: [{ rateLimit: { limit: 2, per: 1h, key: ip } }]
    backends: [{ service: echo }]
  - { name: dead, match: [{ path: { type: PathPrefix, value: /dead } }], backends: [{ service: dead }] }
  - { name: half-dead, match: [{ path: { type: PathPrefix, value: /half-dead } }], backends: [{ service: half-dead }] }
  - { name: full, match: [{ path: { type: PathPrefix, value: /full } }], backends: [{ service: full }] }
services:
  - { name: echo, endpoints: { static: [{ address: "${service.address}" }] } }
  - { name: dead, endpoints: { static: [{ address: "${dead}" }] } }
  - { name: half-dead, endpoints: { static: [{ address: "${dead}" }, { address: "${service.address}" }] } }
  - { name: full, endpoints: { static: [{ address: "${full.address}" }] }, circuit: { maxWebSockets: 1 } }
providers: { jwt: [{ name: main, issuer: "https://id.test", jwks: { inline: { keys: [{ kty: oct, k: c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA, alg: HS256, kid: a }] } }, algorithms: [HS256] }] }
workers: 1
admin: { bind: "127.0.0.1:0" }
`,
        { files: { "cert.pem": cert, "key.pem": key } },
      );
      url = `ws://127.0.0.1:${gateway.port("public")}`;
      secureUrl = `wss://127.0.0.1:${gateway.port("secure")}`;
    });

    after(async () => {
      await gateway.stop();
      await service.close();
      await full.close();
    });

    const lastLog = async (path: string): Promise<Record<string, unknown>> =>
      await eventually(() => logLines(gateway.stdout()).findLast((line) => line.path === path), `a log line for ${path}`);

    for (const kind of ["ws", "wss"]) {
      it(`${kind}: messages of every length class come back byte for byte, in order and of their kind`, async () => {
        const lengths = [0, 1, 125, 126, 127, 4096, 65_535, 65_536, 65_537, 300_000, 1024 * 1024];
        const { socket, messages, untilMessages, closed } = await openWebSocket(`${kind === "ws" ? url : secureUrl}/lengths`, [], {
          rejectUnauthorized: false,
          headers: { host: "b.test" },
        });
        const sent = lengths.flatMap((length) => [
          { data: randomBytes(length), isBinary: true },
          { data: Buffer.from("ä".repeat(length / 2)), isBinary: false },
        ]);
        for (const { data, isBinary } of sent) socket.send(data, { binary: isBinary });
        await untilMessages(sent.length);
        assert.deepEqual(
          messages.map(({ data, isBinary }) => [data.length, isBinary]),
          sent.map(({ data, isBinary }) => [data.length, isBinary]),
        );
        for (const [index, { data }] of sent.entries()) assert.ok(data.equals(messages[index]?.data as Buffer), `message ${index}`);
        socket.close(1000);
        assert.equal((await closed).code, 1000);
      });
    }

    it("joins a message that the client sends in fragments", async () => {
      const { socket, messages, untilMessages } = await openWebSocket(`${url}/fragments`);
      for (const [index, part] of ["one ", "two ", "three"].entries()) socket.send(part, { fin: index === 2 });
      await untilMessages(1);
      assert.deepEqual(messages[0], { data: Buffer.from("one two three"), isBinary: false });
      socket.close();
    });

    it("offers the client's subprotocols to the service and passes on its choice", async () => {
      const chosen = await openWebSocket(`${url}/protocol`, ["first", "second"]);
      assert.equal(chosen.socket.protocol, "second");
      chosen.socket.close();
      // `ws` takes a missing choice for a failure when it has offered something; that is the service's answer, though.
      await assert.rejects(openWebSocket(`${url}/protocol`, ["first"]), /no subprotocol/);
    });

    it("carries pings both ways, and the service's pong is not doubled", async () => {
      const before = service.arrived.length;
      const client = await openWebSocket(`${url}/pings`);
      const arrived = await service.untilArrived(before + 1);
      arrived.socket.ping("are you there");
      client.socket.ping("and you");
      await eventually(() => arrived.pongs.length === 1 && arrived.pings.length === 1 && client.pongs.length === 1, "pings and pongs");
      client.socket.send("last");
      await client.untilMessages(1);
      assert.deepEqual([client.pings, arrived.pongs], [["are you there"], ["are you there"]]);
      assert.deepEqual([arrived.pings, client.pongs], [["and you"], ["and you"]]);
      client.socket.close();
    });

    const CLOSES: readonly (readonly [number | undefined, string, Closed])[] = [
      [undefined, "", { code: 1005, reason: "" }],
      [1000, "", { code: 1000, reason: "" }],
      [1001, "going", { code: 1001, reason: "going" }],
      [1008, "ünïcode", { code: 1008, reason: "ünïcode" }],
      [1014, "", { code: 1014, reason: "" }],
      [3000, "x".repeat(123), { code: 3000, reason: "x".repeat(123) }],
      [4999, "own", { code: 4999, reason: "own" }],
    ];
    for (const [code, reason, sent] of CLOSES) {
      it(`passes close ${code ?? "without a code"} on from either end, and both ends agree`, async () => {
        for (const closer of ["client", "service"] as const) {
          // The addon takes a client's 1012 to 3999 for "no code".
          const isLost = plain === "http" && closer === "client" && code !== undefined && code > 1011 && code < 4000;
          const expected = isLost ? { code: 1005, reason: "" } : sent;
          const before = service.arrived.length;
          const path = `/close-${closer}-${code ?? "none"}`;
          const client = await openWebSocket(url + path);
          const arrived = await service.untilArrived(before + 1);
          (closer === "client" ? client : arrived).socket.close(code, reason);
          assert.deepEqual(await client.closed, expected, `${closer} closes: the client`);
          assert.deepEqual(await arrived.closed, expected, `${closer} closes: the service`);
          const line = await lastLog(path);
          assert.deepEqual([line.status, line.flag, line.error, line.closeCode], [101, "", "", expected.code]);
        }
      });
    }

    it("a client that vanishes is gone for the service, and a service for its client", async () => {
      for (const [path, flag, error] of [
        ["/client-vanishes", "DC", "downstream-abort"],
        ["/service-vanishes", "UC", "upstream-closed"],
      ] as const) {
        const before = service.arrived.length;
        const client = await openWebSocket(url + path);
        const arrived = await service.untilArrived(before + 1);
        (flag === "DC" ? client : arrived).socket.terminate();
        assert.deepEqual([(await client.closed).code, (await arrived.closed).code], [1006, 1006]);
        const line = await lastLog(path);
        assert.deepEqual([line.status, line.flag, line.error, line.closeCode], [101, flag, error, 1006]);
      }
    });

    it("a service sees a sound handshake of its own, and who its client is", async () => {
      const before = service.arrived.length;
      const client = await openWebSocket(`${url}/who?room=1&x`, [], {
        perMessageDeflate: true,
        headers: { cookie: "c=1", origin: "https://app.test" },
      });
      const { headers, url: target } = await service.untilArrived(before + 1);
      assert.equal(target, "/who?room=1&x");
      const { cookie, origin, connection, upgrade } = headers;
      assert.deepEqual([cookie, origin, connection, upgrade], ["c=1", "https://app.test", "Upgrade", "websocket"]);
      assert.equal(headers["x-forwarded-for"], "127.0.0.1");
      assert.match(String(headers["x-request-id"]), /^[0-9a-f-]{36}$/);
      assert.equal(headers["sec-websocket-version"], "13");
      assert.equal(headers["sec-websocket-extensions"], undefined, "compression is each hop's own");
      client.socket.close();
    });

    it("routing and filters apply to the upgrade: by header, with fields set both ways", async () => {
      const before = service.arrived.length;
      const raw = await connectRaw({ port: gateway.port("public") });
      raw.send(handshakeWith("X-Tenant: blue").replace("/echo", "/tenant/1"));
      const answer = await raw.until((text) => text.includes("\r\n\r\n"));
      assert.match(answer, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
      assert.match(answer, /\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/i);
      assert.match(answer, /\r\nx-edge: 1\r\n/i);
      assert.equal((await service.untilArrived(before + 1)).headers["x-from"], "gateway");
      raw.destroy();
    });

    it("an upgrade without a token is 401 and never reaches the service", async () => {
      const before = service.arrived.length;
      const { status, headers, text } = await refusalOf(`${url}/members`);
      assert.equal(status, 401);
      assert.match(headers["www-authenticate"] ?? "", /^Bearer/);
      assert.match(text, /unauthorized/);
      assert.equal(service.arrived.length, before);
    });

    it("a rate limit counts upgrades: the third is 429", async () => {
      for (let i = 0; i < 2; i++) (await openWebSocket(`${url}/few`)).socket.close();
      const { status, headers } = await refusalOf(`${url}/few`);
      assert.equal(status, 429);
      assert.match(headers["retry-after"] ?? "", /^\d+$/);
    });

    it("a refused upgrade gets the service's own answer, and the connection serves on", async () => {
      const { status, headers, text } = await refusalOf(`${url}/refuses`);
      assert.deepEqual(
        [status, headers["content-type"], headers["x-why"], text],
        [403, "application/json", "closed", '{"why":"members only"}'],
      );
      assert.deepEqual(headers["set-cookie"], ["a=1"]);
      const raw = await connectRaw({ port: gateway.port("public") });
      raw.send(handshakeWith().replace("/echo", "/refuses"));
      await raw.until((received) => hasResponses(received, 1));
      raw.send("GET /after HTTP/1.1\r\nHost: a.test\r\n\r\n");
      assert.match(
        await raw.until((received) => received.includes("plain GET /after")),
        /HTTP\/1\.1 403 Forbidden[\s\S]*HTTP\/1\.1 200 OK/,
      );
      raw.destroy();
    });

    it("a service that is down is 503, and another endpoint is tried first", async () => {
      assert.equal((await refusalOf(`${url}/dead`)).status, 503);
      for (let i = 0; i < 4; i++) {
        const { socket } = await openWebSocket(`${url}/half-dead/${i}`);
        socket.close();
      }
    });

    it("a service's WebSockets are limited, and a place becomes free with the one that ends", async () => {
      const first = await openWebSocket(`${url}/full`);
      const { status } = await refusalOf(`${url}/full`);
      assert.equal(status, 503);
      assert.equal((await lastLog("/full")).flag, "UO");
      assert.equal(
        (await fetchOnce(`http://127.0.0.1:${gateway.port("public")}/full`)).status,
        200,
        "plain requests have connections of their own",
      );
      first.socket.close();
      const second = await eventually(() => openWebSocket(`${url}/full`).catch(() => null), "a free place");
      second.socket.close();
    });

    const MALFORMED: readonly (readonly [string, string, number])[] = [
      ["no key", handshakeWith("Sec-WebSocket-Key"), 400],
      ["a key of another length", handshakeWith("Sec-WebSocket-Key: c2hvcnQ="), 400],
      ["a key that is no base64", handshakeWith("Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="), 400],
      ["two keys", handshakeWith("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="), 400],
      // To our own codec, an Upgrade that Connection does not name is none (RFC 9110 §7.8).
      ...(plain === "http" ? [["no Connection: Upgrade", handshakeWith("Connection: keep-alive"), 400] as const] : []),
      ["a body", `${handshakeWith("Content-Length: 3")}abc`, 400],
      ["a chunked body", `${handshakeWith("Transfer-Encoding: chunked")}0\r\n\r\n`, 400],
      ["version 8", handshakeWith("Sec-WebSocket-Version: 8"), 426],
      ["no version", handshakeWith("Sec-WebSocket-Version"), 426],
    ];
    for (const [what, request, status] of MALFORMED) {
      it(`refuses an upgrade with ${what}: ${status}, and the service is not asked`, async () => {
        const before = service.arrived.length;
        const raw = await connectRaw({ port: gateway.port("public") });
        raw.send(request);
        const answer = await raw.untilClosed();
        assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
        if (status === 426) assert.match(answer, /\r\nsec-websocket-version: 13\r\n/i);
        assert.equal(service.arrived.length, before);
      });
    }

    const IGNORED: readonly (readonly [string, string])[] = [
      ["POST", handshakeWith("Content-Length: 0").replace("GET /echo", "POST /plain")],
      ["h2c", handshakeWith("Upgrade: h2c").replace("/echo", "/plain")],
      ["no Upgrade field", handshakeWith("Upgrade").replace("/echo", "/plain")],
    ];
    for (const [what, request] of IGNORED) {
      it(`takes a request for no upgrade that we know as a plain one: ${what}`, async () => {
        const raw = await connectRaw({ port: gateway.port("public") });
        raw.send(request);
        assert.match(await raw.until((text) => hasResponses(text, 1)), /^HTTP\/1\.1 200 OK\r\n[\s\S]*plain (GET|POST) \/plain/);
        raw.destroy();
      });
    }

    it("Upgrade with several protocols, in any case, is still an upgrade", async () => {
      const raw = await connectRaw({ port: gateway.port("public") });
      raw.send(handshakeWith("Upgrade: h2c, WebSocket", "Connection: keep-alive, UPGRADE"));
      assert.match(await raw.until((text) => text.includes("\r\n\r\n")), /^HTTP\/1\.1 101 /);
      raw.destroy();
    });

    it("frames sent before the 101 are not believed", async () => {
      const before = service.arrived.length;
      const raw = await connectRaw({ port: gateway.port("public") });
      raw.send(Buffer.concat([Buffer.from(handshakeWith()), Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])]));
      assert.doesNotMatch(await raw.untilClosed(), /^HTTP\/1\.1 101 /);
      for (const arrived of service.arrived.slice(before)) assert.equal((await arrived.closed).code, 1006);
    });

    it("counts the open ones, and no connection is left behind", async () => {
      const metric = async (name: string): Promise<number> => {
        const { text } = await fetchOnce(`${gateway.admin.url}/metrics`);
        const values = text.split("\n").filter((line) => line.startsWith(name) && !line.startsWith("#"));
        return values.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
      };
      await eventually(async () => (await metric("windrose_open_websockets")) === 0, "none open");
      const { socket } = await openWebSocket(`${url}/counted`);
      await eventually(async () => (await metric("windrose_open_websockets")) === 1, "one open");
      socket.close();
      await eventually(async () => (await metric("windrose_open_websockets")) === 0, "none open again");
      await eventually(async () => (await metric("windrose_downstream_connections{")) === 0, "no connection open", 20_000);
    });
  });
