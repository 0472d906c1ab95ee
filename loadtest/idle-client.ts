/**
 * A process of its own that opens many connections, sends one request on each, reports when all are answered and holds them
 * until it is ended. Arguments: port, count, path, `tls` or `plain`.
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

const [port, count, path, kind] = process.argv.slice(2);
const total = Number(count);
const atOnce = 100;
const request = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
const sockets: Socket[] = [];

function openOne(): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port: Number(port) };
    const socket = kind === "tls" ? connectTls({ ...options, servername: "localhost", rejectUnauthorized: false }) : connect(options);
    sockets.push(socket);
    let received = "";
    socket.once(kind === "tls" ? "secureConnect" : "connect", () => socket.write(request));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("a connection was closed")));
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => {
      received += chunk;
      if (!received.includes("\r\n\r\n")) return;
      if (received.startsWith("HTTP/1.1 200")) resolve();
      else reject(new Error(`answered ${received.slice(0, 40)}`));
    });
  });
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
