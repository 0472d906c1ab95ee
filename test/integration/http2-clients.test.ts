/** Real clients against a server on the codec: what they send must be understood, and they must be content with the answers. */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import type { Http2RequestHead } from "../../src/wire/http2/events.js";
import { type CodecServer, startCodecServer } from "../support/http2-codec.js";
import { needProgram } from "../support/programs.js";

const run = promisify(execFile);
const MEBIBYTE = 1_048_576;

/** `/echo` gives the body back, `/bytes/N` gives N bytes; trailers come with both. */
function startServer(t: TestContext): Promise<CodecServer> {
  const started = startCodecServer((socket, stream, incoming) => {
    const { path } = incoming.head as Http2RequestHead;
    const body = path === "/echo" ? Buffer.concat(incoming.chunks) : Buffer.alloc(Number(path.split("/").at(-1)), "w");
    const head = { status: 200, headers: ["content-type", "text/plain"], bodyLength: body.length };
    socket.respond(stream, head, { body, trailers: path === "/echo" ? ["x-checksum", "1"] : [] });
  });
  t.after(async () => (await started).close());
  return started;
}

function assertContent(server: CodecServer): void {
  for (const { connection } of server.sockets) {
    assert.equal(connection.refusal, null);
    assert.equal(connection.openStreams, 0);
  }
}

test("curl with prior knowledge: large bodies in both directions", async (t) => {
  if (!needProgram(t, "curl")) return;
  const server = await startServer(t);
  const url = `http://127.0.0.1:${server.port}`;
  const common = ["--silent", "--show-error", "--fail", "--max-time", "20", "--http2-prior-knowledge", "--output", "/dev/null"];
  const format = ["--write-out", "%{http_version} %{http_code} %{size_download}\n"];
  assert.equal((await run("curl", [...common, ...format, `${url}/bytes/5`])).stdout, "2 200 5\n");
  assert.equal((await run("curl", [...common, ...format, `${url}/bytes/${MEBIBYTE}`])).stdout, `2 200 ${MEBIBYTE}\n`);
  const posting = run("curl", [...common, ...format, "--data-binary", "@-", `${url}/echo`]);
  posting.child.stdin?.end("b".repeat(MEBIBYTE));
  assert.equal((await posting).stdout, `2 200 ${MEBIBYTE}\n`);
  assertContent(server);
});

test("nghttp: parallel requests with priorities and padding", async (t) => {
  if (!needProgram(t, "nghttp")) return;
  const server = await startServer(t);
  const urls = Array.from({ length: 20 }, (_, i) => `http://127.0.0.1:${server.port}/bytes/${i * 7000}`);
  const { stdout } = await run("nghttp", ["--null-out", "--stat", "--padding=200", "--timeout=20", ...urls]);
  assert.equal(stdout.match(/ 200 +\S+ \/bytes\//g)?.length, 20, stdout);
  assertContent(server);
});

test("h2load: thousands of requests on multiplexed connections", async (t) => {
  if (!needProgram(t, "h2load")) return;
  const server = await startServer(t);
  const load = (path: string, count: number, more: readonly string[] = []) =>
    run("h2load", [`--requests=${count}`, "--clients=4", "--max-concurrent-streams=32", ...more, `http://127.0.0.1:${server.port}${path}`]);
  assert.match((await load("/bytes/100", 5000)).stdout, /5000 succeeded, 0 failed, 0 errored/);
  assert.match((await load("/bytes/300000", 200, ["--window-bits=16"])).stdout, /200 succeeded, 0 failed, 0 errored/);
  assertContent(server);
});

/** Debian's python3-h2: another implementation, and a strict one: it raises on whatever it takes for a breach. */
const PYTHON_CLIENT = `
import socket, sys, h2.connection, h2.events
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection = h2.connection.H2Connection()
connection.initiate_connection()
connection.ping(b"12345678")
head = [(":method", "POST"), (":path", "/echo"), (":scheme", "http"), (":authority", "a.example"), ("cookie", "a=b"), ("cookie", "c=d")]
rest, received, trailers, acks, done = {}, {}, 0, 0, 0
count, size = 20, 150000
for number in range(count):
    stream = connection.get_next_available_stream_id()
    connection.send_headers(stream, head)
    rest[stream], received[stream] = size, 0
while done < count:
    for stream in [s for s in rest if rest[s] > 0]:
        while rest[stream] > 0:
            room = min(connection.local_flow_control_window(stream) - 8, connection.max_outbound_frame_size - 8, rest[stream])
            if room <= 0: break
            connection.send_data(stream, b"p" * room, pad_length=room % 7)
            rest[stream] -= room
            if rest[stream] == 0: connection.end_stream(stream)
    peer.sendall(connection.data_to_send())
    data = peer.recv(65536)
    if not data: raise SystemExit("closed")
    for event in connection.receive_data(data):
        if isinstance(event, h2.events.DataReceived):
            received[event.stream_id] += len(event.data)
            connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived): trailers += 1
        elif isinstance(event, h2.events.PingAckReceived): acks += 1
        elif isinstance(event, h2.events.StreamEnded): done += 1
        elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)): raise SystemExit(str(event))
connection.close_connection()
peer.sendall(connection.data_to_send())
print(done, sum(received.values()), trailers, acks)
`;

test("python3-h2: parallel uploads and downloads under flow control", async (t) => {
  const python = "/usr/bin/python3";
  if (spawnSync(python, ["-c", "import h2"]).status !== 0) {
    if (process.env.CI) throw new Error("python3-h2 is not installed, and CI is set");
    return t.skip("python3-h2 is not installed");
  }
  const server = await startServer(t);
  const { stdout } = await run(python, ["-c", PYTHON_CLIENT, String(server.port)], { timeout: 60_000 });
  assert.equal(stdout, "20 3000000 20 1\n");
  assertContent(server);
});
