/**
 * One side of an exchange leaves, at every phase of it: what the other side sees, the one line in the access log with its
 * flag, and that nothing is left over. Many at once is what attack-aborts.test.ts is about.
 */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { connectRaw, hasResponses, parseResponses, type RawSocket } from "../support/raw-socket.js";
import { startRawUpstream, type Upstream } from "../support/upstream.js";
import { metric } from "./attack-support.js";

const HEAD = "HTTP/1.1 200 OK\r\n";
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`;
const post = (path: string, framing: string, body: string): string => `POST ${path} HTTP/1.1\r\nHost: a.test\r\n${framing}\r\n\r\n${body}`;
const known = (path: string): string => post(path, "Content-Length: 100", "u".repeat(50));
const chunked = (path: string): string => post(path, "Transfer-Encoding: chunked", "32\r\n".concat("u".repeat(50), "\r\n"));

/** The service's side of one connection. */
interface Seen {
  readonly socket: Socket;
  text: string;
  /** Null while open. */
  closedBy: "end" | "reset" | null;
}

const LEAVING = {
  closes: (socket: Socket) => void socket.end(),
  resets: (socket: Socket) => void socket.resetAndDestroy(),
};

interface ClientCase {
  readonly phase: string;
  readonly request: (path: string) => string;
  /** What the service says when it has the head. */
  readonly answer?: string;
  /** When the client leaves: it has received this, or, without it, the service has received all that was sent. */
  readonly until?: string;
  /** "": the service keeps its connection. Null: nothing has reached the service and nothing is logged. */
  readonly flag: "DC" | "" | null;
}

const CLIENT_CASES: readonly ClientCase[] = [
  { phase: "within its head", request: (path) => get(path).slice(0, -8), flag: null },
  { phase: "after its head", request: get, flag: "DC" },
  { phase: "within a body of known length", request: known, flag: "DC" },
  { phase: "within a chunked body", request: chunked, flag: "DC" },
  { phase: "within the head of the answer", request: get, answer: `${HEAD}content-le`, flag: "DC" },
  { phase: "after the head of the answer", request: get, answer: `${HEAD}content-length: 10\r\n\r\n`, until: "\r\n\r\n", flag: "DC" },
  { phase: "within an answer of known length", request: get, answer: `${HEAD}content-length: 10\r\n\r\nhalf`, until: "half", flag: "DC" },
  {
    phase: "within a chunked answer",
    request: get,
    answer: `${HEAD}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
    until: "half",
    flag: "DC",
  },
  { phase: "within an early answer", request: known, answer: `${HEAD}content-length: 10\r\n\r\nhalf`, until: "half", flag: "DC" },
  { phase: "after the last byte", request: get, answer: `${HEAD}content-length: 5\r\n\r\nwhole`, until: "whole", flag: "" },
];

interface ServiceCase {
  readonly phase: string;
  readonly request: (path: string) => string;
  /** What the service says before it leaves. */
  readonly answer: string;
  /** What the client must have received before the service leaves; without it, the service leaves with its answer. */
  readonly until?: string;
  readonly closes: Outcome;
  readonly resets: Outcome;
}

interface Outcome {
  /** "broken": a response that nobody can take for complete. */
  readonly status: number | "broken";
  readonly flag: string;
}

const gone = (status: Outcome["status"]): Pick<ServiceCase, "closes" | "resets"> => ({
  closes: { status, flag: "UC" },
  resets: { status, flag: "UR" },
});

const SERVICE_CASES: readonly ServiceCase[] = [
  { phase: "before its answer", request: get, answer: "", ...gone(502) },
  { phase: "within a body of known length", request: known, answer: "", ...gone(502) },
  { phase: "within a chunked body", request: chunked, answer: "", ...gone(502) },
  { phase: "within its head", request: get, answer: `${HEAD}content-le`, ...gone(502) },
  { phase: "after its head", request: get, answer: `${HEAD}content-length: 10\r\n\r\n`, until: "\r\n\r\n", ...gone("broken") },
  { phase: "after the head of a chunked answer", request: get, answer: `${HEAD}transfer-encoding: chunked\r\n\r\n`, ...gone(502) },
  {
    phase: "within an answer of known length",
    request: get,
    answer: `${HEAD}content-length: 10\r\n\r\nhalf`,
    until: "half",
    ...gone("broken"),
  },
  {
    phase: "within a chunked answer",
    request: get,
    answer: `${HEAD}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
    until: "half",
    ...gone("broken"),
  },
  {
    phase: "between the last chunk and its end",
    request: get,
    answer: `${HEAD}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n`,
    until: "half",
    ...gone("broken"),
  },
  {
    phase: "within an answer to an upload that goes on",
    request: known,
    answer: `${HEAD}content-length: 10\r\n\r\nhalf`,
    until: "half",
    ...gone("broken"),
  },
  {
    phase: "within an answer that only the connection ends",
    request: get,
    answer: `${HEAD}\r\nwhole`,
    until: "whole",
    closes: { status: 200, flag: "" },
    resets: { status: "broken", flag: "UR" },
  },
  {
    phase: "after the last byte",
    request: get,
    answer: `${HEAD}content-length: 5\r\n\r\nwhole`,
    until: "whole",
    closes: { status: 200, flag: "" },
    resets: { status: 200, flag: "" },
  },
];

describe("an exchange", () => {
  let upstream: Upstream;
  let gateway: Gateway;
  /** The connection that carries a path. */
  const seen = new Map<string, Seen>();
  const answers = new Map<string, string>();
  let open = 0;
  let exchanges = 0;

  before(async () => {
    upstream = await startRawUpstream(serve);
    gateway = await startGateway(`
listeners: [{ name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http }]
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

  function serve(socket: Socket): void {
    let current: Seen | null = null;
    open++;
    socket.on("data", (chunk) => {
      const text = chunk.toString("latin1");
      const path = /^(?:GET|POST) (\S+) /.exec(text)?.[1];
      if (path !== undefined) {
        current = { socket, text: "", closedBy: null };
        seen.set(path, current);
      }
      if (current === null) return;
      const isHeadDone = current.text.includes("\r\n\r\n");
      current.text += text;
      if (!isHeadDone && current.text.includes("\r\n\r\n")) socket.write(answers.get(path ?? "") ?? "");
    });
    socket.on("error", () => {
      if (current !== null) current.closedBy = "reset";
    });
    socket.on("end", () => socket.end());
    socket.on("close", () => {
      open--;
      if (current !== null) current.closedBy ??= "end";
    });
  }

  const logged = (path: string): Record<string, unknown>[] => logLines(gateway.stdout()).filter((line) => line.path === path);
  const service = (path: string): Promise<Seen> => eventually(() => seen.get(path), `${path} at the service`);

  /** The service has received all that the client has sent. */
  function isAsked(path: string, request: (path: string) => string): boolean {
    return seen.get(path)?.text.includes(request === get ? "\r\n\r\n" : "u".repeat(50)) === true;
  }

  async function send(path: string, request: (path: string) => string, answer: string): Promise<RawSocket> {
    answers.set(path, answer);
    const raw = await connectRaw({ port: gateway.port("public") });
    raw.send(request(path));
    return raw;
  }

  for (const [index, { phase, request, answer = "", until, flag }] of CLIENT_CASES.entries()) {
    for (const [how, leave] of Object.entries(LEAVING)) {
      it(`whose client ${how} ${phase} ${flag === null ? "never was" : flag === "" ? "is complete" : "is ended at the service as well"}`, async () => {
        const path = `/client/${index}/${how}`;
        const raw = await send(path, request, answer);
        if (until !== undefined) await raw.until((text) => text.endsWith(until));
        else if (flag !== null) await eventually(() => isAsked(path, request), "the request");
        else await eventually(async () => (await metric(gateway, "windrose_downstream_connections")) > 0, "the connection");
        leave(raw.socket);
        await eventually(async () => (await metric(gateway, "windrose_downstream_connections")) === 0, "its end");
        raw.destroy();
        if (flag === null) return assert.equal(seen.has(path), false);
        exchanges++;
        await eventually(() => logged(path).length > 0, "the log line");
        if (flag === "") return assert.equal((await service(path)).closedBy, null);
        await eventually(async () => (await service(path)).closedBy !== null, "the service to see it", 3_000);
        // Half an upload must never look whole.
        assert.doesNotMatch((await service(path)).text, /u{100}|\r\n0\r\n\r\n$/);
      });
    }
  }

  for (const [index, { phase, request, answer, until, ...outcomes }] of SERVICE_CASES.entries()) {
    for (const how of ["closes", "resets"] as const) {
      const { status } = outcomes[how];
      it(`whose service ${how} ${phase} is ${status === "broken" ? "broken for its client" : `answered with ${status}`}`, async () => {
        const path = `/service/${index}/${how}`;
        const raw = await send(path, request, answer);
        exchanges++;
        if (until !== undefined) await raw.until((text) => text.includes(until));
        else await eventually(() => isAsked(path, request), "the request");
        LEAVING[how]((await service(path)).socket);
        if (status === "broken") {
          await raw.untilClosed();
          assert.equal(parseResponses(raw.text()).length, 0, raw.text());
        } else {
          // A connection that had served before may be stale: the request comes again, on a fresh one.
          await eventually(() => {
            const { socket, closedBy } = seen.get(path) as Seen;
            if (closedBy === null && isAsked(path, request)) LEAVING[how](socket);
            return hasResponses(raw.text(), 1);
          }, "an answer");
          assert.equal(parseResponses(raw.text())[0]?.status, status);
          raw.destroy();
        }
        await eventually(() => logged(path).length > 0, "the log line");
        await eventually(() => seen.get(path)?.closedBy !== null, "the end of its connection");
      });
    }
  }

  it("is logged once with its flag, whoever left, and leaves nothing behind", async () => {
    await eventually(async () => (await metric(gateway, "http_server_active_requests")) === 0, "no active exchanges");
    await eventually(async () => (await metric(gateway, "windrose_downstream_connections")) === 0, "no downstream connections");
    // Those of clients that left after the last byte are idle, and the first of them was used again.
    await eventually(() => open <= 1, `at most one idle connection to the service, not ${open}`);
    for (const [index, { flag }] of CLIENT_CASES.entries()) {
      for (const how of Object.keys(LEAVING)) {
        const flags = logged(`/client/${index}/${how}`).map((line) => line.flag);
        assert.deepEqual(flags, flag === null ? [] : [flag], CLIENT_CASES[index]?.phase);
      }
    }
    for (const [index, outcomes] of SERVICE_CASES.entries()) {
      for (const how of ["closes", "resets"] as const) {
        const lines = logged(`/service/${index}/${how}`);
        assert.deepEqual([lines.length, lines[0]?.flag], [1, outcomes[how].flag], `${outcomes.phase}, ${how}`);
      }
    }
    assert.equal(await metric(gateway, "windrose_requests_total"), exchanges);
  });
});
