// Connections that are told to close when they have grown old: through which child app a request arrives tells its age.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { TLSSocket } from "node:tls";
import type { CertificateSpec, ListenerTlsSpec } from "../../src/engine/model/snapshot.js";
import { connectRaw, exchangeRaw, hasResponses, parseResponses, type RawResponse, type RawSocket } from "../support/raw-socket.js";
import { type Harness, type HarnessOptions, reply, startHarness } from "./uws-harness.js";

const AGE_MS = 1_600;
const GET = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const HEAD = "HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n";

let directory: string;
let tls: ListenerTlsSpec;

function makeCertificate(label: string, names: readonly string[]): CertificateSpec {
  const [certPath, keyPath] = [join(directory, `${label}.pem`), join(directory, `${label}-key.pem`)];
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", `/CN=${label}`];
  const san = ["-addext", `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}`];
  execFileSync("openssl", [...request, ...san, "-keyout", keyPath, "-out", certPath], { stdio: "ignore" });
  return { certPath, keyPath, names, notAfterMs: Date.now() + 86_400_000, fingerprint: "" };
}

before(() => {
  directory = mkdtempSync(join(tmpdir(), "uws-age-"));
  tls = { certificates: [makeCertificate("first", ["first.test"]), makeCertificate("second", ["second.test", "*.wild.test"])] };
});
after(() => rmSync(directory, { recursive: true }));

async function withListener(options: HarnessOptions, work: (harness: Harness) => Promise<void>): Promise<void> {
  const harness = await startHarness(options);
  try {
    await work(harness);
    assert.deepEqual(harness.bugs, []);
  } finally {
    harness.listener.close();
  }
}

/** Sends one request after the other until the connection is told to close; the age it has reached then, and that response. */
async function untilToldToClose(raw: RawSocket, request: string): Promise<{ readonly age: number; readonly last: RawResponse }> {
  const openedAt = performance.now();
  for (let sent = 1; ; sent++) {
    raw.send(request);
    const isHead = request === HEAD;
    const text = await raw.until((received) => parseResponses(received, isHead).length >= sent);
    const last = parseResponses(text, isHead)[sent - 1];
    const age = performance.now() - openedAt;
    if (last?.headers.get("connection") === "close") return { age, last };
    assert.ok(age < 10 * AGE_MS, "never told to close");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Somewhere between these two the connection was accepted. */
async function agesAtClose(connect: () => Promise<RawSocket>): Promise<{ readonly atLeast: number; readonly atMost: number }> {
  const startedAt = performance.now();
  const raw = await connect();
  const { age: atLeast, last } = await untilToldToClose(raw, GET);
  const atMost = performance.now() - startedAt;
  assert.equal(last.body, "hello");
  await raw.untilClosed();
  return { atLeast, atMost };
}

describe("connections that grow old", { concurrency: true }, () => {
  for (const kind of ["http", "https"] as const) {
    const options = (): HarnessOptions => ({ connectionAgeMs: AGE_MS, ...(kind === "https" ? { tls } : {}) });
    const connect = (harness: Harness, servername = "second.test") =>
      connectRaw(kind === "https" ? { port: harness.port, tls: { servername } } : { port: harness.port });

    test(`are closed with a response between three quarters of the age and the age (${kind})`, () =>
      withListener(options(), async (harness) => {
        // They begin at different times within a period.
        const ages: ReturnType<typeof agesAtClose>[] = [];
        for (let i = 0; i < 12; i++) {
          ages.push(agesAtClose(() => connect(harness)));
          await new Promise((resolve) => setTimeout(resolve, 37));
        }
        for (const { atLeast, atMost } of await Promise.all(ages)) {
          assert.ok(atMost >= AGE_MS * 0.75 - 5, `closed after ${atMost} ms`);
          // The slack is a busy machine's; half an age later still, the ring has come round.
          assert.ok(atLeast <= AGE_MS * 1.4, `closed after ${atLeast} ms`);
        }
        assert.ok(harness.seen.every(({ head }) => head.remoteAddress === "127.0.0.1"));
        await harness.until(() => harness.listener.connections === 0, "nobody is left");
      }));

    test(`do not keep others from being accepted: no connect fails over many moves (${kind})`, () =>
      withListener({ ...options(), connectionAgeMs: 40, limits: { maxConnections: 1_000 } }, async (harness) => {
        let answered = 0;
        const endsAt = performance.now() + 2_000;
        const client = async (index: number): Promise<void> => {
          while (performance.now() < endsAt) {
            const target = kind === "https" ? { tls: { servername: ["first.test", "x.wild.test", "none.test"][index % 3] as string } } : {};
            const text = await exchangeRaw({ port: harness.port, ...target }, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            assert.equal(parseResponses(text)[0]?.body, "hello");
            answered++;
          }
        };
        await Promise.all(Array.from({ length: 8 }, (_, index) => client(index)));
        assert.ok(answered > 100, `${answered} over some 200 moves`);
        await harness.until(() => harness.listener.connections === 0, "every one is counted off");
        assert.equal(harness.listener.refusedConnections, 0);
      }));

    test(`count for maxConnections wherever they are in the ring (${kind})`, () =>
      withListener({ ...options(), connectionAgeMs: 100, limits: { maxConnections: 4 } }, async (harness) => {
        const kept: RawSocket[] = [];
        for (let i = 0; i < 4; i++) {
          kept.push(await connect(harness));
          await harness.until(() => harness.listener.connections === i + 1, "counted");
          await new Promise((resolve) => setTimeout(resolve, 30)); // one or two moves on
        }
        const extra = await connect(harness).catch(() => null);
        if (extra !== null) await extra.untilClosed();
        await harness.until(() => harness.listener.refusedConnections === 1, "refused");
        kept[0]?.destroy();
        await harness.until(() => harness.listener.connections === 3, "room");
        const next = await connect(harness);
        next.send(GET);
        await next.until((text) => hasResponses(text, 1));
        for (const raw of [...kept, next]) raw.destroy();
      }));

    test(`end with the listener, all of them (${kind})`, async () => {
      const harness = await startHarness({ ...options(), connectionAgeMs: 100 });
      const open: RawSocket[] = [];
      for (let i = 0; i < 12; i++) {
        open.push(await connect(harness));
        await new Promise((resolve) => setTimeout(resolve, 15));
      }
      harness.listener.close();
      await Promise.all(open.map((raw) => raw.untilClosed()));
      assert.equal(harness.listener.connections, 0);
      await assert.rejects(connect(harness), { code: "ECONNREFUSED" });
    });
  }

  test("are served the certificate of their name by every app of the ring", () =>
    withListener({ tls, connectionAgeMs: 100 }, async (harness) => {
      for (let i = 0; i < 14; i++) {
        for (const [servername, expected] of [
          ["first.test", "first"],
          ["a.wild.test", "second"],
          ["unknown.test", "first"],
        ] as const) {
          const raw = await connectRaw({ port: harness.port, tls: { servername } });
          assert.equal((raw.socket as TLSSocket).getPeerCertificate().subject.CN, expected);
          raw.send(GET);
          await raw.until((text) => hasResponses(text, 1));
          raw.destroy();
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }));

  test("hear of it in responses without a body and in streams, too", () =>
    withListener({ connectionAgeMs: 400 }, async (harness) => {
      const [bodiless, stream] = [await connectRaw(harness), await connectRaw(harness)];
      await untilToldToClose(bodiless, HEAD);
      harness.onRequest = (one) => {
        one.downstream.writeHead(200, [], -1);
        one.downstream.write(Buffer.alloc(20_000, "x"));
        setImmediate(() => one.downstream.end());
      };
      const { last } = await untilToldToClose(stream, GET);
      assert.equal(last.body.length, 20_000);
      for (const raw of [bodiless, stream]) raw.destroy();
    }));

  test("finish the exchange under way", () =>
    withListener({ connectionAgeMs: 100 }, async (harness) => {
      harness.onRequest = () => {};
      const raw = await connectRaw(harness);
      raw.send(GET);
      await harness.until(() => harness.seen.length === 1, "accepted");
      await new Promise((resolve) => setTimeout(resolve, 400));
      assert.equal(raw.closedBy(), null);
      const one = harness.seen[0];
      if (one !== undefined) reply(one.downstream, 200, "late");
      await raw.until((text) => text.endsWith("late"));
      raw.destroy();
    }));

  test("without an age live on", () =>
    withListener({}, async (harness) => {
      const raw = await connectRaw(harness);
      for (let i = 1; i <= 20; i++) {
        raw.send(GET);
        const text = await raw.until((received) => hasResponses(received, i));
        assert.equal(parseResponses(text)[i - 1]?.headers.get("connection"), undefined);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      raw.destroy();
    }));
});
