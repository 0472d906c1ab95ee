import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { endianness } from "node:os";
import { test } from "node:test";
import { countConnections, SocketTableCounter, socketTableProblem } from "../../../src/control/socket-table.js";
import { eventually } from "../../support/gateway.js";

const onLinux = process.platform === "linux" ? false : "reads /proc";
const onLittleEndian = endianness() === "LE" ? onLinux : "the tables below are of a little-endian machine";

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 175000 1 00000000e749f5a9 100 0 0 10 0
   1: 0100007F:1F90 0100000A:C001 01 00000000:00000000 00:00000000 00000000     0        0 175001 1 00000000e749f5a9 20 4 30 10 -1
   2: 0200007F:1F90 0100000A:C002 01 00000000:00000000 02:00000A1B 00000000  1000        0 175002 2 00000000e749f5a9 20 4 30 10 -1
   3: 0100007F:1F90 0200000A:C003 08 00000000:00000001 00:00000000 00000000 65534        7 175003 1 00000000e749f5a9 20 4 30 10 -1
   4: 0100007F:1F90 0200000A:C004 01 00000000:00000000 00:00000000 00000000     0        0 0 1 00000000e749f5a9 20 4 30 10 -1
   5: 0100007F:1F90 0200000A:C005 06 00000000:00000000 03:00000A1B 00000000     0        0 0 3 00000000e749f5a9
10006: 0100007F:C001 0100000A:1F90 01 00000000:00000000 00:00000000 00000000     0        0 175004 1 00000000e749f5a9 20 4 30 10 -1
10007: 0100007F:0050 0100000A:C001 01 00000000:00000000 00:00000000 00000000     0        0 175005 1 00000000e749f5a9 20 4 30 10 -1
`;
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5 1 0 100 0 0 10 0
   1: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100000A:C001 01 00000000:00000000 00:00000000 00000000     0        0 6 1 0 20 4 30 10 -1
   2: B80D0120010000000000000001000000:1F90 B80D0120020000000000000001000000:C001 01 00000000:00000000 00:00000000 00000000     0        0 7 1 0 20 4 30 10 -1
   3: B80D0120010000000000000001000000:1F90 B80D0120020000000000000002000000:C001 01 00000000:00000000 00:00000000 00000000     0        0 8 1 0 20 4 30 10 -1
`;

function count(tables: readonly string[], listeners: readonly { name: string; host: string; port: number }[], pieceChars = 1e9) {
  const counter = new SocketTableCounter(listeners);
  for (const table of tables) {
    for (let at = 0; at < table.length; at += pieceChars) counter.feed(table.slice(at, at + pieceChars));
    counter.endTable();
  }
  return Object.fromEntries([...counter.counts].map(([name, counts]) => [name, Object.fromEntries(counts)]));
}

test("connections that a process holds are counted, not those that wait to be accepted or are closed, nor who listens", {
  skip: onLittleEndian,
}, () => {
  const all = { name: "a", host: "0.0.0.0", port: 8080 };
  assert.deepEqual(count([TCP], [all]), { a: { "10.0.0.1": 2, "10.0.0.2": 1 } });
  assert.deepEqual(count([TCP], [{ ...all, port: 80 }]), { a: { "10.0.0.1": 1 } });
  assert.deepEqual(count([TCP], [{ ...all, port: 81 }]), { a: {} });
});

test("listeners that share a port on different addresses are told apart", { skip: onLittleEndian }, () => {
  const listeners = ["127.0.0.1", "127.0.0.2", "localhost"].map((host) => ({ name: host, host, port: 8080 }));
  const counts = count([TCP], listeners);
  assert.deepEqual(counts["127.0.0.1"], { "10.0.0.1": 1, "10.0.0.2": 1 });
  assert.deepEqual(counts["127.0.0.2"], { "10.0.0.1": 1 });
  assert.equal(counts.localhost?.["10.0.0.1"], 2, "a name may stand for any address");
});

test("IPv6 addresses count by their /64, mapped ones as IPv4", { skip: onLittleEndian }, () => {
  const counts = count([TCP, TCP6], [{ name: "a", host: "::", port: 8080 }]).a;
  assert.equal(counts?.["10.0.0.1"], 3);
  assert.equal(counts?.["2001:db8:0:2"], 2);
});

test("it does not matter where a read ends", () => {
  const listener = { name: "a", host: "0.0.0.0", port: 8080 };
  for (const pieceChars of [1, 7, 150, 4096]) assert.deepEqual(count([TCP, TCP6], [listener], pieceChars), count([TCP, TCP6], [listener]));
});

test("the kernel's tables agree with what is open", { skip: onLinux }, async () => {
  assert.equal(socketTableProblem(), null);
  const accepted: Socket[] = [];
  const server: Server = createServer((socket) => accepted.push(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const clients = ["127.0.0.1", "127.0.0.1", "127.0.0.9"].map((localAddress) => connect({ port, host: "127.0.0.1", localAddress }));
  await eventually(() => accepted.length === 3, "the connections");
  const listener = { name: "a", host: "127.0.0.1", port };
  const open = (await countConnections([listener])).get("a");
  assert.deepEqual([open?.get("127.0.0.1"), open?.get("127.0.0.9")], [2, 1]);
  for (const socket of [...clients, ...accepted]) socket.destroy();
  server.close();
  await eventually(async () => (await countConnections([listener])).get("a")?.size === 0, "nothing open");
});
