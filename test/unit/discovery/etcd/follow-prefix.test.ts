/** A conversation with something that speaks as etcd does when it is not well: what a real one does only when nobody can wait for it. */
import assert from "node:assert/strict";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { followPrefix } from "../../../../src/discovery/etcd/follow-prefix.js";
import type { EndpointSpec } from "../../../../src/engine/model/snapshot.js";

interface Question {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: IncomingHttpHeaders;
}

type Answering = (question: Question, response: ServerResponse) => void;

const ASK_EVERY_MS = 20;
const HEADER = { cluster_id: "7", revision: "10" };
const PASSWORD = "s3cret-4711";

async function follow(t: TestContext, answer: Answering, user = { username: "", password: "" }) {
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (part) => {
      text += part;
    });
    request.on("end", () => answer({ path: request.url ?? "", body: JSON.parse(text), headers: request.headers }, response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = new AbortController();
  t.after(() => {
    stop.abort();
    server.closeAllConnections();
    server.close();
  });
  const tls = { caPem: "", certPem: "", keyPem: "", serverName: "", isVerified: true };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const spec = { type: "etcd", urls: [url], tls, prefix: "/app/", ...user, timeoutMs: 500, minimumEndpoints: 1 } as const;
  const found: string[] = [];
  const tell = (endpoints: readonly EndpointSpec[]): void => {
    found.push(endpoints.map(({ host, port }) => `${host}:${port}`).join(" "));
  };
  const ended = followPrefix(spec, ASK_EVERY_MS)(tell, stop.signal).then(
    () => "as planned",
    (error: Error) => error.message.replace(url, "URL"),
  );
  return { ended, found, stop };
}

function values(...addresses: readonly string[]) {
  return addresses.map((address, i) => ({ key: base64(`/app/${i}`), value: base64(address), mod_revision: String(i + 1) }));
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** Lines of a stream that stays open. */
function lines(response: ServerResponse, ...messages: readonly object[]): void {
  response.writeHead(200);
  for (const message of [{ result: { header: HEADER, created: true } }, ...messages]) response.write(`${JSON.stringify(message)}\n`);
}

/** Well, but for the stream. */
function withStream(...messages: readonly object[]): Answering {
  return ({ path, body }, response) => {
    if (path === "/v3/watch") lines(response, ...messages);
    else if (body["count_only"] === true) json(response, 200, { header: HEADER, count: "1" });
    else json(response, 200, { header: HEADER, kvs: values("10.0.0.1:80"), count: "1" });
  };
}

describe("a conversation with etcd", () => {
  it("reads all pages as of the revision of the first, and follows from the next", async (t) => {
    const asked: unknown[] = [];
    const { ended, found } = await follow(t, ({ path, body }, response) => {
      asked.push(path === "/v3/watch" ? body["create_request"] : { ...body, range_end: undefined });
      if (path === "/v3/watch") return lines(response, { result: { header: {}, canceled: true, compact_revision: "11" } });
      const [first, second] = values("10.0.0.1:80", "10.0.0.2:80");
      if (body["revision"] === undefined) return json(response, 200, { header: HEADER, kvs: [first], more: true, count: "2" });
      json(response, 200, { header: { ...HEADER, revision: "99" }, kvs: [second], count: "2" });
    });
    assert.equal(await ended, "as planned");
    assert.deepEqual(found[0], "10.0.0.1:80 10.0.0.2:80");
    assert.deepEqual(asked, [
      { key: base64("/app/"), range_end: undefined, limit: 1000 },
      { key: base64("/app/0\0"), range_end: undefined, limit: 1000, revision: "10" },
      { key: base64("/app/"), range_end: base64("/app0"), start_revision: "11", progress_notify: true },
    ]);
  });

  it("gives up pages that bring nothing new", async (t) => {
    const { ended } = await follow(t, (_question, response) => {
      json(response, 200, { header: HEADER, kvs: values("10.0.0.1:80"), more: true, count: "2" });
    });
    assert.match(await ended, /lists the same keys again and again/);
  });

  const broken: readonly (readonly [what: string, message: object, ended: RegExp])[] = [
    [
      "is cancelled",
      { result: { header: HEADER, canceled: true, cancel_reason: `it was ${PASSWORD}` } },
      /\(URL: cancelled the stream of changes\)$/,
    ],
    [
      "loses its leader",
      { error: { grpc_code: 14, message: "etcdserver: no leader" } },
      /\(URL: has no leader, or cannot answer in time\)$/,
    ],
    ["fails otherwise", { error: { grpc_code: 13, message: PASSWORD } }, /\(URL: ended the stream of changes \(13\)\)$/],
    [
      "comes from another cluster",
      { result: { header: { ...HEADER, cluster_id: "8" }, events: [] } },
      /\(URL: has other data than before\)$/,
    ],
    ["says what is not understood", { hello: PASSWORD }, /\(URL: answered with something that is not understood\)$/],
    [
      "leaves nothing that can be used",
      { result: { header: HEADER, events: [{ kv: { key: base64("/app/0"), value: base64("{") } }] } },
      /\(URL: none is usable: keys in etcd are left out: 1 with a value that is not JSON \(such as \/app\/0\)\)$/,
    ],
  ];
  for (const [what, message, expected] of broken) {
    it(`breaks off when the stream ${what}`, async (t) => {
      const { ended, found } = await follow(t, withStream(message));
      assert.match(await ended, expected);
      assert.match(await ended, /^etcd cannot tell \/app\/ \(/);
      assert.deepEqual([...new Set(found)], ["10.0.0.1:80"]);
    });
  }

  it("breaks off when the stream ends", async (t) => {
    const { ended } = await follow(t, ({ path }, response) => {
      if (path !== "/v3/watch") return json(response, 200, { header: HEADER, kvs: values("10.0.0.1:80") });
      lines(response);
      response.end();
    });
    assert.match(await ended, /ended the stream of changes/);
  });

  const askedMeanwhile: readonly (readonly [what: string, answer: object, ended: RegExp])[] = [
    ["has gone back", { header: { ...HEADER, revision: "9" }, count: "1" }, /has other data than before/],
    ["is another cluster", { header: { ...HEADER, cluster_id: "8" }, count: "1" }, /has other data than before/],
    ["counts what the stream has not told of", { header: { ...HEADER, revision: "11" }, count: "2" }, /does not tell of changes/],
    ["says what is not understood", {}, /not understood/],
  ];
  for (const [what, answer, expected] of askedMeanwhile) {
    it(`breaks off when the member ${what}`, async (t) => {
      const { ended, found } = await follow(t, (question, response) => {
        if (question.body["count_only"] === true) json(response, 200, answer);
        else withStream()(question, response);
      });
      assert.match(await ended, expected);
      assert.deepEqual([...new Set(found)], ["10.0.0.1:80"]);
    });
  }

  it("breaks off when the member hangs", async (t) => {
    const { ended } = await follow(t, (question, response) => {
      if (question.body["count_only"] !== true) withStream()(question, response);
    });
    assert.match(await ended, /no complete answer within 500 ms/);
  });

  it("confirms what is known whenever the member is well", async (t) => {
    const { found } = await follow(t, withStream());
    const deadline = Date.now() + 5_000;
    while (found.length < 3 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.ok(found.length >= 3);
  });

  const refused: readonly (readonly [answer: readonly [status: number, body: unknown], ended: RegExp])[] = [
    [[200, `<html>${PASSWORD}`], /not understood/],
    [[200, { header: HEADER, count: "10001" }], /has 10001 keys there, more than 10000/],
    [[404, "page not found"], /does not know the API \/v3 \(404\)/],
    [[403, { code: 7, error: PASSWORD }], /does not let this user read the prefix/],
    [[400, { code: 3, error: "etcdserver: user name is empty" }], /does it want a username/],
    [[400, { code: 11 }], /has compacted what was to be read/],
    [[503, { code: 14 }], /has no leader/],
    [[502, "x"], /answered 502/],
  ];
  for (const [[status, body], expected] of refused) {
    it(`does not begin when the answer is ${status} ${JSON.stringify(body)}`, async (t) => {
      const { ended, found } = await follow(t, (_, response) => json(response, status, body));
      assert.match(await ended, expected);
      assert.ok(!(await ended).includes(PASSWORD));
      assert.deepEqual(found, []);
    });
  }

  it("does not begin with one that accepts connections and says nothing", async (t) => {
    const { ended } = await follow(t, () => {});
    assert.match(await ended, /no complete answer within 500 ms/);
  });

  it("logs in first, and again when its token is over", async (t) => {
    const tokens: (string | undefined)[] = [];
    let logins = 0;
    const answer: Answering = ({ path, body, headers }, response) => {
      if (path === "/v3/auth/authenticate") {
        assert.deepEqual(body, { name: "reader", password: PASSWORD });
        return json(response, 200, { header: HEADER, token: `token-${++logins}` });
      }
      tokens.push(headers.authorization);
      if (headers.authorization !== "token-2") return json(response, 401, { code: 16, error: "etcdserver: invalid auth token" });
      withStream({ result: { header: {}, canceled: true, compact_revision: "11" } })({ path, body, headers }, response);
    };
    const { ended, found } = await follow(t, answer, { username: "reader", password: PASSWORD });
    assert.equal(await ended, "as planned");
    assert.deepEqual(tokens, ["token-1", "token-2", "token-2"]);
    assert.deepEqual(found[0], "10.0.0.1:80");
  });

  it("goes on without a token where users exist and do not count yet", async (t) => {
    const answer: Answering = (question, response) => {
      if (question.path === "/v3/auth/authenticate")
        return json(response, 412, { code: 9, error: "etcdserver: authentication is not enabled" });
      assert.equal(question.headers.authorization, undefined);
      withStream({ result: { header: {}, canceled: true, compact_revision: "11" } })(question, response);
    };
    const { ended } = await follow(t, answer, { username: "reader", password: PASSWORD });
    assert.equal(await ended, "as planned");
  });

  it("says when a password is wrong, but not which", async (t) => {
    const { ended } = await follow(t, (_, response) => json(response, 400, { code: 3, error: PASSWORD }), {
      username: "reader",
      password: PASSWORD,
    });
    assert.equal(await ended, "etcd cannot tell /app/ (URL: refuses username or password)");
  });

  it("ends at once when it is told to, wherever it is", async (t) => {
    const silent = await follow(t, () => {});
    silent.stop.abort();
    await silent.ended;
    const begun = await follow(t, withStream());
    while (begun.found.length === 0) await new Promise((resolve) => setImmediate(resolve));
    begun.stop.abort();
    await begun.ended;
  });
});
