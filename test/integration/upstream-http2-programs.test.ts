import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { eventually } from "../support/gateway.js";
import { needProgram } from "../support/programs.js";
import { findFreePort } from "../support/upstream.js";
import { http2TargetOf, Notes, requestOf, startConnector } from "../unit/upstream/support.js";

const FILE = randomBytes(3 * 1024 * 1024);

let bench: ReturnType<typeof startConnector>;
let directory = "";
let program: ChildProcess | null = null;

beforeEach(() => {
  bench = startConnector();
  directory = mkdtempSync(join(tmpdir(), "windrose-programs-"));
  writeFileSync(join(directory, "file"), FILE);
  writeFileSync(join(directory, "small"), "small");
});
afterEach(async () => {
  bench.close();
  if (program !== null && program.exitCode === null) {
    const ended = new Promise((resolve) => program?.once("exit", resolve));
    program.kill("SIGKILL");
    await ended;
  }
  program = null;
  rmSync(directory, { recursive: true, force: true });
});

async function start(command: string, args: readonly string[], port: number): Promise<void> {
  program = spawn(command, args, { cwd: directory, stdio: "ignore" });
  await eventually(() => canConnect(port), `${command} to listen`);
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** Many at a time; each must come whole. */
async function fetchAll(port: number, count: number): Promise<void> {
  const all = Array.from({ length: count }, (_, i) => {
    const target = http2TargetOf(port, { maxPendingRequests: count });
    const notes = new Notes().start(bench.connector, target, requestOf({ target: i % 10 === 0 ? "/file" : "/small" }));
    return notes;
  });
  for (const [i, notes] of all.entries()) {
    assert.equal(await notes.over, "end", notes.detail);
    assert.deepEqual([notes.status, notes.bodyBytes], [200, i % 10 === 0 ? FILE.length : 5]);
  }
}

/** Returns how many of a body's bytes the service has taken; it need not say. */
async function post(port: number, target: string, bytes: number): Promise<Notes> {
  const notes = new Notes();
  let left = bytes;
  const send = (): void => {
    while (left > 0) {
      const chunk = Buffer.alloc(Math.min(left, 65_536), 97);
      left -= chunk.length;
      if (notes.call?.write(chunk) === false) return;
    }
    notes.call?.end();
  };
  notes.onConnected = () => setImmediate(send);
  notes.onDrain = send;
  notes.start(bench.connector, http2TargetOf(port), requestOf({ method: "POST", target, bodyLength: bytes }));
  await notes.over;
  return notes;
}

describe("HTTP/2 to", () => {
  test("nghttpd: many requests, large answers, an echo of an upload", async (t) => {
    if (!needProgram(t, "nghttpd")) return;
    const port = await findFreePort();
    await start("nghttpd", ["--no-tls", "--echo-upload", "-d", directory, "-a", "127.0.0.1", String(port)], port);
    await fetchAll(port, 200);
    const notes = await post(port, "/echo", 500_000);
    assert.deepEqual([notes.error, notes.status, notes.bodyBytes], ["", 200, 500_000]);
  });

  test("nginx: connections that it ends after some requests cost no request", async (t) => {
    if (!needProgram(t, "nginx")) return;
    const port = await findFreePort();
    const server = `listen 127.0.0.1:${port} http2; keepalive_requests 50; root ${directory}; location = /take { client_max_body_size 0; return 204; }`;
    const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${directory};`).join(" ");
    const config = `daemon off; master_process off; pid ${directory}/pid; error_log ${directory}/error.log; events {} http { access_log off; ${paths} server { ${server} } }`;
    writeFileSync(join(directory, "nginx.conf"), config);
    await start("nginx", ["-p", directory, "-c", join(directory, "nginx.conf")], port);
    // Which requests come too late for a connection, it says; those may be repeated.
    for (let round = 0; round < 5; round++) await fetchWithRepeats(port, 40);
    const notes = await post(port, "/take", 300_000);
    assert.deepEqual([notes.error, notes.status], ["", 204]);
    assert.ok(bench.connector.stats().openedConnections > 3);
  });
});

async function fetchWithRepeats(port: number, count: number): Promise<void> {
  let left = count;
  for (let tries = 0; left > 0; tries++) {
    assert.ok(tries < 5, "refused again and again");
    const all = Array.from({ length: left }, () =>
      new Notes().start(bench.connector, http2TargetOf(port), requestOf({ target: "/small" })),
    );
    const outcomes = await Promise.all(all.map((notes) => notes.over));
    const refused = outcomes.filter((outcome) => outcome !== "end");
    assert.deepEqual(new Set(refused), new Set(refused.length === 0 ? [] : ["upstream-refused"]));
    left = refused.length;
  }
}
