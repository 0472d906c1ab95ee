import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Answer, fetchOnce, logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import {
  answerEachHead,
  findFreePort,
  type HttpUpstream,
  startHttpUpstream,
  startRawUpstream,
  type Upstream,
} from "../support/upstream.js";

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/** What a raw upstream does to every connection, and what the client and the log must see. */
interface Failure {
  readonly name: string;
  readonly script: Parameters<typeof startRawUpstream>[0];
  readonly status: number | "broken";
  readonly flag: string;
  readonly code: string;
}

const answering =
  (bytes: string): Failure["script"] =>
  (socket) =>
    answerEachHead(socket, bytes);
const answeringThenClosing =
  (bytes: string): Failure["script"] =>
  (socket) =>
    void socket.once("data", () => socket.end(bytes));

const FAILURES: readonly Failure[] = [
  { name: "resets", script: (s) => void s.once("data", () => s.resetAndDestroy()), status: 502, flag: "UR", code: "upstream-reset" },
  { name: "closes without an answer", script: (s) => void s.once("data", () => s.end()), status: 502, flag: "UC", code: "upstream-closed" },
  { name: "stalls", script: (s) => void s.resume(), status: 504, flag: "UT", code: "upstream-timeout" },
  { name: "stalls inside the head", script: answering("HTTP/1.1 200 OK\r\nx: "), status: 504, flag: "UT", code: "upstream-timeout" },
  { name: "talks garbage", script: answering("\x00\x01SSH-2.0 hello\r\n\r\n"), status: 502, flag: "UP", code: "upstream-protocol" },
  {
    name: "sends both lengths",
    script: answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    status: 502,
    flag: "UP",
    code: "upstream-protocol",
  },
  {
    name: "sends two lengths",
    script: answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok"),
    status: 502,
    flag: "UP",
    code: "upstream-protocol",
  },
  {
    name: "folds a header",
    script: answering("HTTP/1.1 200 OK\r\nx: 1\r\n 2\r\ncontent-length: 2\r\n\r\nok"),
    status: 502,
    flag: "UP",
    code: "upstream-protocol",
  },
  {
    name: "splits a response with a bare CR",
    script: answering("HTTP/1.1 200 OK\r\nx: a\rset-cookie: evil\r\ncontent-length: 2\r\n\r\nok"),
    status: 502,
    flag: "UP",
    code: "upstream-protocol",
  },
  {
    name: "sends a head without end",
    script: answering(`HTTP/1.1 200 OK\r\nx: ${"a".repeat(200_000)}`),
    status: 502,
    flag: "UP",
    code: "upstream-protocol",
  },
  {
    name: "closes inside a body of known length",
    script: answeringThenClosing("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"),
    status: "broken",
    flag: "UC",
    code: "upstream-closed",
  },
  {
    name: "closes inside a chunked body",
    script: answeringThenClosing("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    status: "broken",
    flag: "UC",
    code: "upstream-closed",
  },
  {
    name: "breaks its chunking in the first packet",
    script: answering("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"),
    status: 502,
    flag: "UP",
    code: "upstream-protocol",
  },
];

describe("a failing upstream", () => {
  const upstreams: Upstream[] = [];
  let healthy: HttpUpstream;
  let gateway: Gateway;

  before(async () => {
    healthy = await startHttpUpstream((_request, response) => response.end("fine"));
    for (const failure of FAILURES) upstreams.push(await startRawUpstream(failure.script));
    const refusedPort = await findFreePort();
    const services = [
      ...upstreams.map(({ address }, i) => `  - { name: s${i}, endpoints: { static: [{ address: "${address}" }] } }`),
      `  - { name: refusing, endpoints: { static: [{ address: "127.0.0.1:${refusedPort}" }] } }`,
      `  - { name: half, endpoints: { static: [{ address: "127.0.0.1:${refusedPort}" }, { address: "${healthy.address}" }] } }`,
    ];
    const names = [...upstreams.map((_, i) => `s${i}`), "refusing", "half"];
    const routes = names.map(
      (name) =>
        `  - { name: ${name}, match: [{ path: { type: PathPrefix, value: /${name} } }], backends: [{ service: ${name} }], timeouts: { request: 5s, backendRequest: 500ms } }`,
    );
    gateway = await startGateway(
      [
        'listeners: [{ name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http }]',
        "routes:",
        ...routes,
        "services:",
        ...services,
        'admin: { bind: "127.0.0.1:0" }',
        "workers: 1",
      ].join("\n"),
    );
  });
  after(async () => {
    await gateway?.stop();
    for (const upstream of [...upstreams, healthy]) await upstream?.close();
  });

  const url = (path: string): string => `http://127.0.0.1:${gateway.port("public")}${path}`;

  async function logged(path: string): Promise<Record<string, unknown>> {
    return await eventually(() => logLines(gateway.stdout()).find((line) => line.path === path), `a log line for ${path}`);
  }

  for (const [i, failure] of FAILURES.entries()) {
    it(`that ${failure.name} gives ${failure.status} with flag ${failure.flag}`, async () => {
      const path = `/s${i}/x`;
      const outcome: Answer | Error = await fetchOnce(url(path)).catch((error: Error) => error);
      if (failure.status === "broken") assert.ok(outcome instanceof Error, "the client must see a broken response");
      else {
        assert.ok(!(outcome instanceof Error), String(outcome));
        assert.equal(outcome.status, failure.status);
        assert.equal(JSON.parse(outcome.text).code, failure.code);
      }
      const line = await logged(path);
      assert.equal(line.flag, failure.flag);
      assert.equal(line.error, failure.code);
    });
  }

  it("that refuses connections gives 503 with flag UF", async () => {
    const { status, text } = await fetchOnce(url("/refusing/x"));
    assert.equal(status, 503);
    assert.doesNotMatch(text, /127\.0\.0\.1|ECONN/);
    assert.equal((await logged("/refusing/x")).flag, "UF");
  });

  it("is left for another endpoint when it refuses connections, whatever the method", async () => {
    for (let i = 0; i < 6; i++) {
      const { status, text } = await fetchOnce(url("/half/x"), { method: i % 2 === 0 ? "GET" : "POST", body: i % 2 === 0 ? "" : "body" });
      assert.deepEqual([status, text], [200, "fine"]);
    }
    assert.equal(healthy.requests.at(-1)?.body.toString(), "body");
  });

  it("never gives bytes of one exchange to another", async () => {
    const poisoned = await startRawUpstream(answering(`${OK}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison`));
    const other = await startGateway(`
listeners: [{ name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, match: [{ path: { type: PathPrefix, value: / } }], backends: [{ service: app }] }]
services: [{ name: app, endpoints: { static: [{ address: "${poisoned.address}" }] } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
    try {
      const answers = await Promise.all(Array.from({ length: 50 }, () => fetchOnce(`http://127.0.0.1:${other.port("public")}/`)));
      for (const { status, text } of answers) {
        assert.ok(status === 502 || (status === 200 && text === "ok"), `${status} ${text}`);
        assert.doesNotMatch(text, /poison/);
      }
    } finally {
      await other.stop();
      await poisoned.close();
    }
  });

  it("leaves the worker alive", async () => {
    assert.equal((await fetchOnce(url("/half/y"))).status, 200);
    assert.doesNotMatch(gateway.stderr(), /ended unexpectedly/);
  });
});
