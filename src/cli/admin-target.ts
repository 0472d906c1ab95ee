/**
 * Which gateway a command speaks to and with what token: `--admin`, `--token-file` and their variables. A token never stands on
 * a command line, where every user of the machine could read it.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { resolve } from "node:path";
import { EXIT } from "./exit-codes.js";

/** For `readFlags`; every command that speaks to a gateway has them. */
export const ADMIN_FLAGS = {
  admin: { type: "string" },
  "token-file": { type: "string" },
} as const;

/** The same for `printHelp`. */
export const ADMIN_FLAGS_HELP: readonly (readonly [flag: string, meaning: string])[] = [
  ["--admin URL", "the gateway: http://HOST:PORT or unix:PATH (default: $WINDROSE_ADMIN, else http://127.0.0.1:9901)"],
  ["--token-file FILE", "holds the admin token (default: $WINDROSE_ADMIN_TOKEN)"],
];

export interface AdminFlags {
  readonly admin?: string | undefined;
  readonly "token-file"?: string | undefined;
}

export interface AdminTarget {
  /** As the user would write it, for messages. */
  readonly name: string;
  /** For `node:http`. */
  readonly connection: { readonly socketPath: string } | { readonly host: string; readonly port: number };
  /** The Host field. */
  readonly authority: string;
  /** "" for none. Secret. */
  readonly token: string;
}

export type Chosen<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string; readonly code: number };

export type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_ADMIN = "http://127.0.0.1:9901";
const DEFAULT_PORT = 80;
/** `sun_path` has 108 bytes, the last is NUL. */
const MAX_SOCKET_PATH_BYTES = 107;
const MAX_TOKEN_BYTES = 4096;

export function chooseTarget(flags: AdminFlags, env: Environment = process.env): Chosen<AdminTarget> {
  const place = choosePlace(flags.admin ?? (env["WINDROSE_ADMIN"] || DEFAULT_ADMIN));
  if (!place.ok) return place;
  const token = chooseToken(flags["token-file"], env);
  return token.ok ? { ok: true, value: { ...place.value, token: token.value } } : token;
}

function choosePlace(text: string): Chosen<Omit<AdminTarget, "token">> {
  if (text.startsWith("unix:")) return choosePath(text.slice("unix:".length).replace(/^\/\/(?=\/)/, ""));
  if (/^https:/i.test(text)) return wrong("the admin API is plain HTTP; use http://, unix:PATH, or an SSH tunnel to it");
  const url = URL.canParse(text) ? new URL(text) : null;
  // The URL itself is not repeated in messages: it may hold a password.
  if (url?.protocol !== "http:") return wrong("--admin must be http://HOST:PORT or unix:PATH");
  if (url.username !== "" || url.password !== "") return wrong("--admin must not hold a user or password; use --token-file");
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") return wrong("--admin must end after the port");
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = url.port === "" ? DEFAULT_PORT : Number(url.port);
  return { ok: true, value: { name: `http://${url.host}`, connection: { host, port }, authority: url.host } };
}

function choosePath(path: string): Chosen<Omit<AdminTarget, "token">> {
  if (path === "" || path.includes("\0")) return wrong("unix: needs the path of a socket, such as unix:/run/windrose/admin.sock");
  const socketPath = resolve(path);
  if (Buffer.byteLength(socketPath) > MAX_SOCKET_PATH_BYTES)
    return wrong(`the path of a socket has at most ${MAX_SOCKET_PATH_BYTES} bytes`);
  return { ok: true, value: { name: `unix:${socketPath}`, connection: { socketPath }, authority: "localhost" } };
}

function chooseToken(file: string | undefined, env: Environment): Chosen<string> {
  const read = file === undefined ? { ok: true as const, value: env["WINDROSE_ADMIN_TOKEN"] ?? "" } : readTokenFile(file);
  if (!read.ok) return read;
  const token = read.value.trim();
  const source = file === undefined ? "WINDROSE_ADMIN_TOKEN" : file;
  if (file !== undefined && token === "") return wrong(`${source} holds no token`);
  return /^[\x21-\x7e]*$/.test(token) ? { ok: true, value: token } : wrong(`${source} does not hold one token of printable ASCII`);
}

/** A pipe is fine (`--token-file <(pass …)`); more than a token is not read. */
function readTokenFile(path: string): Chosen<string> {
  try {
    const fd = openSync(path, "r");
    try {
      if (fstatSync(fd).isDirectory()) return wrong(`cannot read ${path}: it is a directory`);
      return readBounded(fd, path);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    return wrong(`cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? "unknown error"}`);
  }
}

function readBounded(fd: number, path: string): Chosen<string> {
  const buffer = Buffer.alloc(MAX_TOKEN_BYTES + 1);
  let length = 0;
  while (length < buffer.length) {
    const count = readSync(fd, buffer, length, buffer.length - length, null);
    if (count === 0) return { ok: true, value: buffer.toString("utf8", 0, length) };
    length += count;
  }
  return wrong(`${path} is too large for a token`);
}

function wrong(message: string): Chosen<never> {
  return { ok: false, message, code: EXIT.usage };
}
