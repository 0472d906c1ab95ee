/** Watching the registry by event stream and by poll, and what strangers try with it. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { type Answer, fetchOnce } from "../support/client.js";
import { CONFIG_NAME, eventually, type Gateway, startGateway } from "../support/gateway.js";

const ALL = "token-of-everything-0123456789";
const ORDERS = "token-of-orders-0123456789";

interface Event {
  readonly id: string;
  readonly event: string;
  readonly data: {
    readonly service?: string;
    readonly services?: readonly string[];
    readonly index?: number;
    readonly instances?: readonly { id: string; state: string }[];
  };
}

function configuration(token: string, services = "orders"): string {
  return `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, backends: [{ service: orders }] }]
services: [{ name: orders, endpoints: { registry: { minimumEndpoints: 0 } } }]
registry:
  serve: true
  bind: "127.0.0.1:0"
  tokens: [{ name: all, token: ${ALL}, services: ["*"] }, { name: orders, token: ${token}, services: [${services}] }]
  drain: 300ms
admin: { bind: "127.0.0.1:0" }
telemetry: { accessLog: { path: "off" } }
workers: 1
`;
}

describe("watching the registry", () => {
  let gateway: Gateway;
  let run = 0;

  before(async () => {
    gateway = await startGateway(configuration(ORDERS));
  });
  after(() => gateway?.stop());
  beforeEach(() => {
    run++;
  });

  function ask(method: string, path: string, body: unknown = null, token = ALL): Promise<Answer> {
    const headers = { authorization: `Bearer ${token}`, ...(body === null ? {} : { "content-type": "application/json" }) };
    return fetchOnce(`${gateway.registryUrl}/v1/services${path}`, {
      method,
      headers,
      ...(body === null ? {} : { body: JSON.stringify(body) }),
    });
  }

  const register = (service: string, id: string, more: object = {}) =>
    ask("PUT", `/${service}/instances/${id}`, { address: "10.0.0.1:80", ...more });

  async function watch(path: string, { token = ALL, last = "" } = {}) {
    const events: Event[] = [];
    let text = "";
    const headers = { authorization: `Bearer ${token}`, accept: "text/event-stream", ...(last === "" ? {} : { "last-event-id": last }) };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(`${gateway.registryUrl}/v1/services${path}`, { headers, agent: false }, resolve).once("error", reject);
    });
    assert.equal(response.headers["content-type"], "text/event-stream");
    response.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      const parts = text.split("\n\n");
      text = parts.pop() ?? "";
      events.push(...parts.map(readEvent).filter(({ event }) => event !== ""));
    });
    const ended = new Promise<void>((resolve) => response.once("close", resolve).once("error", () => {}));
    return { events, ended, response, close: () => response.destroy() };
  }

  it("sends the instances, then every change, each with the index as its id", async () => {
    await register("orders", "a");
    const { events, close } = await watch("/orders/instances", { token: ORDERS });
    await eventually(() => events.length === 1, "the first event");
    assert.deepEqual([events[0]?.event, events[0]?.data.service, events[0]?.data.instances?.length], ["instances", "orders", 1]);
    assert.equal(events[0]?.id, `${events[0]?.data.index}`);
    await register("orders", "b", { weight: 2 });
    await eventually(() => events.length === 2, "the change");
    await ask("POST", "/orders/instances/b/heartbeat");
    await ask("DELETE", "/orders/instances/b");
    await eventually(() => events.at(-1)?.data.instances?.[1]?.state === "removed", "its end");
    assert.deepEqual(
      events.map(({ data }) => data.instances?.map(({ id, state }) => `${id} ${state}`).join()),
      [...["a up", "a up,b up", "a up,b draining", "a up,b removed"]],
    );
    close();
    const again = await watch("/orders/instances", { last: events.at(-1)?.id ?? "" });
    await register("orders", "c");
    await eventually(() => again.events.length > 0, "what happened since");
    assert.equal(again.events.length, 1, "what it knew is not sent again");
    again.close();
    const stranger = await watch("/orders/instances", { last: "1" });
    await eventually(() => stranger.events.length === 1, "all of it");
    stranger.close();
  });

  it("sends changes of all services to whom they concern", async () => {
    await register("orders", "a");
    await register("billing", "a");
    const all = await watch("");
    const some = await watch("", { token: ORDERS });
    await eventually(() => all.events.length === 3 && some.events.length === 2, "what there is");
    assert.deepEqual(all.events[0]?.data, { services: ["billing", "orders"] });
    assert.deepEqual(some.events[0]?.data, { services: ["orders"] });
    assert.deepEqual(JSON.parse((await ask("GET", "", null, ORDERS)).text), { services: ["orders"] });
    await register("billing", `b${run}`);
    await register("shipping", "a");
    await eventually(() => all.events.at(-1)?.data.service === "shipping", "a service that is new");
    await register("orders", `d${run}`);
    await eventually(() => some.events.length === 3, "the change of its own");
    assert.equal(some.events[2]?.data.service, "orders");
    all.close();
    some.close();
  });

  it("ends the stream of a token that is no more", async () => {
    const { ended } = await watch("/orders/instances", { token: ORDERS });
    writeFileSync(join(gateway.directory, CONFIG_NAME), configuration("another-token-0123456789"));
    await eventually(async () => (await ask("GET", "/orders/instances", null, ORDERS)).status === 401, "the new token");
    await register("orders", `e${run}`);
    await ended;
    writeFileSync(join(gateway.directory, CONFIG_NAME), configuration(ORDERS));
    await eventually(async () => (await ask("GET", "/orders/instances", null, ORDERS)).status === 200, "the old token");
  });

  it("sends no more of a service that its token has lost", async () => {
    const configure = (services: string) => writeFileSync(join(gateway.directory, CONFIG_NAME), configuration(ORDERS, services));
    const mayAsk = async () => (await ask("GET", "/billing/instances", null, ORDERS)).status === 200;
    configure("orders, billing");
    await eventually(mayAsk, "the wider token");
    await register("billing", `x${run}`);
    await register("orders", `x${run}`);
    const { events, close } = await watch("", { token: ORDERS });
    const index = JSON.parse((await ask("GET", "/billing/instances")).text).index as number;
    const poll = ask("GET", `/billing/instances?index=${index}&wait=30s`, null, ORDERS);
    await eventually(() => events.length === 3, "what there is");
    configure("orders");
    await eventually(async () => !(await mayAsk()), "the narrower token");
    await register("billing", `y${run}`);
    await register("orders", `y${run}`);
    await eventually(() => events.length > 3, "the change of its own");
    assert.deepEqual([...new Set(events.slice(3).map(({ data }) => data.service))], ["orders"]);
    assert.equal((await poll).status, 403, "nor does a poll that began before tell it");
    close();
  });

  it("answers a thousand polls of one change, and refuses the next poll meanwhile", async () => {
    const { index } = JSON.parse((await ask("GET", "/orders/instances")).text) as { index: number };
    const polls = Array.from({ length: 1_000 }, () => ask("GET", `/orders/instances?index=${index}&wait=60s`));
    let refused: Answer | null = null;
    await eventually(async () => {
      const answer = await Promise.race([ask("GET", `/orders/instances?index=${index}&wait=1s`), later(500)]);
      refused = typeof answer === "object" && answer.status === 503 ? answer : null;
      return refused !== null;
    }, "the refusal of one more");
    assert.equal((refused as Answer | null)?.headers["retry-after"], "5");
    await register("orders", `f${run}`);
    const statuses = (await Promise.all(polls)).map(({ status }) => status);
    assert.deepEqual([...new Set(statuses)], [200]);
  });

  function raw(): Socket {
    const url = new URL(gateway.registryUrl);
    return connect(Number(url.port), url.hostname);
  }

  /** What comes until the connection ends, or until `isEnough`. */
  function heard(socket: Socket, isEnough: (text: string) => boolean = () => false): Promise<string> {
    return new Promise((resolve) => {
      let text = "";
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        if (isEnough(text)) resolve(text);
      });
      socket.once("close", () => resolve(text)).once("error", () => resolve(text));
    });
  }

  const head = (lines: string) =>
    `PUT /v1/services/orders/instances/raw HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${ALL}\r\n${lines}\r\n\r\n`;
  const json = "content-type: application/json";

  it("takes a request that comes byte by byte", async () => {
    const socket = raw();
    const answer = heard(socket, (text) => text.includes("leaseMs"));
    const body = '{"address":"10.0.0.1:80"}';
    for (const byte of head(`${json}\r\ncontent-length: ${body.length}`) + body) {
      await new Promise((resolve) => socket.write(byte, resolve));
    }
    assert.match(await answer, /^HTTP\/1\.1 20[01] /);
    socket.destroy();
  });

  const flaws: readonly (readonly [string, RegExp, string | Buffer])[] = [
    ["JSON that is none", /^HTTP\/1\.1 400 .*the body is not JSON/s, `${head(`${json}\r\ncontent-length: 5`)}{"a":`],
    ["no body", /^HTTP\/1\.1 400 .*the body is not JSON/s, head(`${json}\r\ncontent-length: 0`)],
    [
      "bytes that are no text",
      /^HTTP\/1\.1 400 .*the body is not JSON/s,
      Buffer.concat([Buffer.from(head(`${json}\r\ncontent-length: 4`)), Buffer.from([0x22, 0xff, 0xfe, 0x22])]),
    ],
    ["another type", /^HTTP\/1\.1 415 /, `${head("content-type: application/jsonx\r\ncontent-length: 2")}{}`],
    ["a packed body", /^HTTP\/1\.1 415 /, `${head(`${json}\r\ncontent-encoding: gzip\r\ncontent-length: 2`)}{}`],
    ["a body said to be huge", /^HTTP\/1\.1 413 /, head(`${json}\r\ncontent-length: 9000000000`)],
    [
      "a body without end",
      /^HTTP\/1\.1 413 /,
      head(`${json}\r\ntransfer-encoding: chunked`) + `4000\r\n${" ".repeat(0x4000)}\r\n`.repeat(200),
    ],
    ["two lengths", /^HTTP\/1\.1 400 /, `${head(`${json}\r\ncontent-length: 2\r\ncontent-length: 3`)}{} `],
    ["a large head", /^HTTP\/1\.1 431 /, head(`x-long: ${"x".repeat(20_000)}`)],
    ["deep JSON", /^HTTP\/1\.1 422 /, `${head(`${json}\r\ncontent-length: 16000`)}${"[".repeat(8_000)}${"]".repeat(8_000)}`],
    ["a name in letters of the world", /^HTTP\/1\.1 404 /, head("content-length: 0").replace("/raw", "/%C3%A9")],
    ["a path upwards", /^HTTP\/1\.1 404 /, head("content-length: 0").replace("/raw", "/../x")],
    ["no HTTP", /^HTTP\/1\.1 400 /, "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"],
  ];
  for (const [what, expected, bytes] of flaws) {
    it(`answers ${what}`, async () => {
      const socket = raw();
      const answer = heard(socket, (text) => expected.test(text));
      socket.write(bytes);
      assert.match(await answer, expected);
      socket.destroy();
    });
  }

  it("keeps registering while two thousand connections do nothing", async () => {
    const idle = await Promise.all(
      Array.from(
        { length: 2_000 },
        () =>
          new Promise<Socket>((resolve) => {
            const socket = raw();
            socket.once("connect", () => resolve(socket)).on("error", () => {});
          }),
      ),
    );
    const begun = Date.now();
    assert.equal((await register("orders", `h${run}`)).status, 201);
    assert.ok(Date.now() - begun < 2_000);
    for (const socket of idle) socket.destroy();
  });

  const identities: readonly (readonly [string, number])[] = [
    ...(["spiffe://example.internal/service/orders", "spiffe://td", "https://a.test:8443/x", ""] as const).map(
      (text) => [text, 200] as const,
    ),
    ...[
      "spiffe:/a",
      "orders",
      "spiffe://",
      "spiffe://a/b?c",
      "spiffe://a/b#c",
      "spiffe://a b/",
      "spiffe://a//b",
      7 as unknown as string,
    ].map((text) => [text, 422] as const),
  ];
  it("takes identities that are URIs, and no others", async () => {
    await register("orders", "who");
    for (const [identity, status] of identities)
      assert.equal((await register("orders", "who", { identity })).status, status, `${identity}`);
    await register("orders", "who", { identity: "spiffe://a/b", version: "v1.2.3" });
    const { instances } = JSON.parse((await ask("GET", "/orders/instances")).text) as {
      instances: { id: string; identity: string; version: string }[];
    };
    const who = instances.find(({ id }) => id === "who");
    assert.deepEqual([who?.identity, who?.version], ["spiffe://a/b", "v1.2.3"]);
  });
});

function later(durationMs: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), durationMs));
}

function readEvent(text: string): Event {
  const field = (name: string): string => new RegExp(`^${name}: ?(.*)$`, "m").exec(text)?.[1] ?? "";
  return { id: field("id"), event: field("event"), data: field("data") === "" ? {} : (JSON.parse(field("data")) as Event["data"]) };
}
