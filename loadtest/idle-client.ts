/**
 * A process of its own that opens many connections, sends one request on each, reports when all are answered and holds them
 * until it is ended. Arguments: port, count, path, `tls`, `plain` or `h2`.
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

const [port, count, path, kind] = process.argv.slice(2);
const total = Number(count);
const atOnce = 100;
const request = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
const sockets: Socket[] = [];

/** Preface, empty SETTINGS, and HEADERS of a GET, without a dynamic table (RFC 9113 §3.4, RFC 7541). */
function http2Request(): Buffer {
  const literal = (index: number, value: string) => [index, value.length, ...Buffer.from(value, "latin1")];
  const block = [0x82, 0x87, ...literal(0x04, path as string), ...literal(0x01, "localhost")];
  const settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
  const headers = [0, 0, block.length, 1, 5, 0, 0, 0, 1, ...block];
  return Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1"), Buffer.from([...settings, ...headers])]);
}

/** HEADERS or DATA of stream 1 with END_STREAM are among the frames so far. */
function hasAnswer(received: Buffer): boolean {
  for (let at = 0; at + 9 <= received.length; ) {
    const isOfRequest = received.readUInt32BE(at + 5) === 1;
    const type = received[at + 3] as number;
    if (isOfRequest && type <= 1 && ((received[at + 4] as number) & 1) === 1) return true;
    at += 9 + received.readUIntBE(at, 3);
  }
  return false;
}

function openOne(): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port: Number(port) };
    const tls = { ...options, servername: "localhost", rejectUnauthorized: false, ALPNProtocols: kind === "h2" ? ["h2"] : ["http/1.1"] };
    const socket = kind === "plain" ? connect(options) : connectTls(tls);
    sockets.push(socket);
    let received = Buffer.alloc(0);
    socket.once(kind === "plain" ? "connect" : "secureConnect", () => socket.write(kind === "h2" ? http2Request() : request));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("a connection was closed")));
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (kind === "h2" ? hasAnswer(received) : hasHead(received)) {
        socket.removeAllListeners("data").resume();
        resolve();
      }
    });
  });
}

function hasHead(received: Buffer): boolean {
  const text = received.toString("latin1");
  if (text.includes("\r\n\r\n") && !text.startsWith("HTTP/1.1 200")) throw new Error(`answered ${text.slice(0, 40)}`);
  return text.includes("\r\n\r\n");
}

async function openShare(): Promise<void> {
  while (sockets.length < total) await openOne();
}

try {
  await Promise.all(Array.from({ length: Math.min(atOnce, total) }, openShare));
  process.stdout.write(`${JSON.stringify({ opened: sockets.length })}\n`);
  for (const socket of sockets) socket.on("error", () => undefined);
} catch (error) {
  process.stdout.write(`${JSON.stringify({ problem: (error as Error).message, opened: sockets.length })}\n`);
  process.exit(1);
}
