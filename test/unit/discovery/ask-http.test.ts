import assert from "node:assert/strict";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, describe, it } from "node:test";
import { askHttp, type HttpQuestion, openHttpStream, parseJson } from "../../../src/discovery/http/ask-http.js";

const NO_TLS = { caPem: "", certPem: "", keyPem: "", serverName: "", isVerified: true };
const servers: Server[] = [];

after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

function question(url: string, changes: Partial<HttpQuestion> = {}): HttpQuestion {
  return { url, tls: NO_TLS, method: "GET", headers: {}, body: "", timeoutMs: 5_000, maxBytes: 1_000, ...changes };
}

const forEver = new AbortController().signal;

describe("a question over HTTP", () => {
  it("brings status, fields and text", async () => {
    const url = await serve((request, response) => {
      request.setEncoding("utf8").once("data", (body) => response.setHeader("x-index", "7").end(`${request.method} ${body}`));
    });
    const answer = await askHttp(question(url, { method: "POST", body: "hello" }), forEver);
    assert.deepEqual([answer.status, answer.headers["x-index"], answer.text], [200, "7", "POST hello"]);
  });

  it("does not read what is no success, however long it is", async () => {
    const url = await serve((_, response) => response.writeHead(500).end("x".repeat(100_000)));
    assert.deepEqual(await askHttp(question(url), forEver).then(({ status, text }) => [status, text]), [500, ""]);
  });

  it("reads what is no success when that is wanted, within the same bounds", async () => {
    const url = await serve((request, response) => response.writeHead(400).end(request.url === "/long" ? "x".repeat(1_001) : "why"));
    const read = await askHttp(question(url, { readsRefusals: true }), forEver);
    assert.deepEqual([read.status, read.text], [400, "why"]);
    await assert.rejects(askHttp(question(`${url}long`, { readsRefusals: true }), forEver), /more than 1000 bytes/);
  });

  it("follows no redirect", async () => {
    const url = await serve((_, response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end());
    assert.equal((await askHttp(question(url), forEver)).status, 302);
  });

  it("is given up when the answer is too long, too slow, or breaks off", async () => {
    const long = await serve((_, response) => response.end("x".repeat(1_001)));
    await assert.rejects(askHttp(question(long), forEver), /answered with more than 1000 bytes/);
    const silent = await serve(() => {});
    await assert.rejects(askHttp(question(silent, { timeoutMs: 30 }), forEver), /no complete answer within 30 ms/);
    const halting = await serve((_, response) => response.write("x"));
    await assert.rejects(askHttp(question(halting, { timeoutMs: 30 }), forEver), /no complete answer within 30 ms/);
    const broken = await serve((_, response) => response.write("x", () => response.destroy()));
    await assert.rejects(askHttp(question(broken), forEver), /aborted|ECONNRESET/);
  });

  it("is over when the server changes to another protocol", async () => {
    const url = await serve((request) =>
      request.socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
    );
    await assert.rejects(askHttp(question(url), forEver), /closed the connection without an answer/);
  });

  it("ends at once when it is stopped", async () => {
    const stop = new AbortController();
    const url = await serve(() => stop.abort());
    await assert.rejects(askHttp(question(url, { timeoutMs: 60_000 }), stop.signal), { name: "AbortError" });
    await assert.rejects(askHttp(question(url), stop.signal), { name: "AbortError" });
  });

  it("quotes nothing of an answer that is not JSON", () => {
    assert.deepEqual(parseJson('{"a":[1]}'), { a: [1] });
    assert.throws(
      () => parseJson("secret"),
      (error: Error) => !/secret/.test(error.message) && /not JSON/.test(error.message),
    );
  });
});

describe("a stream of lines over HTTP", () => {
  async function linesOf(chunks: readonly (string | Buffer)[], maxBytes = 1_000): Promise<string[]> {
    const url = await serve(async (_, response) => {
      for (const chunk of chunks) await new Promise((resolve) => response.write(chunk, resolve));
      response.end();
    });
    const { lines } = await openHttpStream(question(url, { maxBytes }), forEver);
    const read: string[] = [];
    for await (const line of lines) read.push(line);
    return read;
  }

  it("is cut at line breaks, wherever the pieces end", async () => {
    const text = Buffer.from("één\n\ntwo\nthree");
    assert.deepEqual(await linesOf([text]), ["één", "two", "three"]);
    assert.deepEqual(await linesOf(Array.from(text, (byte) => Buffer.of(byte))), ["één", "two", "three"]);
    assert.deepEqual(await linesOf([]), []);
  });

  it("fails at a line that is too long, and when it breaks off", async () => {
    await assert.rejects(linesOf(["ok\n", "x".repeat(1_001)]), /a line of more than 1000 bytes/);
    const url = await serve((_, response) => response.write("one\n", () => response.destroy()));
    const { lines } = await openHttpStream(question(url), forEver);
    await assert.rejects(async () => {
      for await (const line of lines) assert.equal(line, "one");
    }, /aborted|ECONNRESET/);
  });

  it("may take longer than its head, and ends when it is stopped", async () => {
    const stop = new AbortController();
    const url = await serve((_, response) => {
      response.write("one\n");
      setTimeout(() => response.write("two\n"), 100);
    });
    const { lines } = await openHttpStream(question(url, { timeoutMs: 50 }), stop.signal);
    const read: string[] = [];
    await assert.rejects(async () => {
      for await (const line of lines) if (read.push(line) === 2) stop.abort();
    });
    assert.deepEqual(read, ["one", "two"]);
  });

  it("may be stopped before anybody reads it", async () => {
    const stop = new AbortController();
    const url = await serve((_, response) => response.write("one\n"));
    const { lines } = await openHttpStream(question(url), stop.signal);
    stop.abort();
    // What nobody has heard yet is no crash, and is told to whoever reads later.
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    await assert.rejects(async () => {
      for await (const line of lines) assert.equal(line, "one");
    });
  });
});
