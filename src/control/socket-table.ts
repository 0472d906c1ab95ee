/**
 * Counts open connections per client address in the kernel's own table (/proc/net/tcp and tcp6), because uWebSockets.js
 * does not say whose connection has closed. Counted is what a process holds: connections that are still in an accept
 * queue, and those that it has closed, have no inode. The table is that of our network namespace. While it is read, an
 * entry may move and be missed or met twice; that takes a change in the very bucket where two reads meet.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { isIPv4 } from "node:net";
import { endianness } from "node:os";
import { addressKey } from "../filters/rate-limit/key.js";
import { textOfAddress } from "../listeners/uws/remote-address.js";

const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];
/** The kernel gives a page at a time, whatever is asked for. */
const READ_BYTES = 64 * 1024;
/** Reading through the thread pool costs twice the CPU time; so it is done here, but never for long at a time. */
const MAX_SLICE_MS = 2;

export interface CountedListener {
  readonly name: string;
  /** Bound to; anything but one IPv4 address stands for every local address. */
  readonly host: string;
  readonly port: number;
}

/** Address (IPv6 by its /64) → open connections. */
export type OpenConnections = ReadonlyMap<string, number>;

/** By listener name. @throws when the tables cannot be read */
export async function countConnections(listeners: readonly CountedListener[]): Promise<Map<string, OpenConnections>> {
  const counter = new SocketTableCounter(listeners);
  for (const path of TABLES) await readTable(path, counter);
  return counter.counts;
}

/** Null when the tables can be read, else why not. */
export function socketTableProblem(): string | null {
  try {
    closeSync(openSync(TABLES[0] as string, "r"));
    return null;
  } catch (error) {
    return `${TABLES[0]} cannot be read (${(error as NodeJS.ErrnoException).code}); it exists on Linux only`;
  }
}

async function readTable(path: string, counter: SocketTableCounter): Promise<void> {
  const file = openTable(path);
  if (file === null) return;
  try {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    let sliceEndsAt = performance.now() + MAX_SLICE_MS;
    for (let bytes = readSync(file, buffer); bytes > 0; bytes = readSync(file, buffer)) {
      counter.feed(buffer.toString("latin1", 0, bytes));
      if (performance.now() < sliceEndsAt) continue;
      await new Promise((resolve) => setImmediate(resolve));
      sliceEndsAt = performance.now() + MAX_SLICE_MS;
    }
    counter.endTable();
  } finally {
    closeSync(file);
  }
}

/** A kernel without IPv6 has no table for it. */
function openTable(path: string): number | null {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (path.endsWith("6")) return null;
    throw error;
  }
}

/** Local address, remote address and inode, with ports, state, queues, timers, user and timeout between. 0A is a listening socket. */
const ENTRY = /^ *\d+: ([0-9A-F]+):[0-9A-F]{4} ([0-9A-F]+):[0-9A-F]{4} (?!0A)[0-9A-F]{2} \S+ \S+ \S+ +\d+ +\d+ (\d+)/;

export class SocketTableCounter {
  readonly counts = new Map<string, Map<string, number>>();
  readonly #byPort = new Map<string, CountedListener[]>();
  /** The beginning of a line whose end has not been fed yet. */
  #rest = "";

  constructor(listeners: readonly CountedListener[]) {
    for (const listener of listeners) {
      this.counts.set(listener.name, new Map());
      const port = listener.port.toString(16).toUpperCase().padStart(4, "0");
      this.#byPort.set(port, [...(this.#byPort.get(port) ?? []), listener]);
    }
  }

  feed(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#countLine(line);
  }

  endTable(): void {
    this.#rest = "";
  }

  #countLine(line: string): void {
    // Most lines are of other ports: they are told apart before anything else is looked at.
    const portAt = line.indexOf(":", line.indexOf(":") + 1) + 1;
    const listeners = this.#byPort.get(line.slice(portAt, portAt + 4));
    if (listeners === undefined) return;
    const [, local, remote, inode] = ENTRY.exec(line) ?? [];
    if (local === undefined || remote === undefined || inode === "0") return;
    const localText = textOfTableAddress(local);
    const address = addressKey(textOfTableAddress(remote));
    for (const { name, host } of listeners) {
      const counts = this.counts.get(name);
      if (isBoundTo(host, localText)) counts?.set(address, (counts.get(address) ?? 0) + 1);
    }
  }
}

function isBoundTo(host: string, localAddress: string): boolean {
  return !isIPv4(host) || host === "0.0.0.0" || host === localAddress;
}

/** Words of 32 bits, each in the byte order of the machine. */
function textOfTableAddress(hex: string): string {
  const bytes = new Uint8Array(hex.length / 2);
  const flip = endianness() === "LE" ? 3 : 0;
  for (let i = 0; i < bytes.length; i++) bytes[i ^ flip] = Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16);
  return textOfAddress(bytes.buffer);
}
