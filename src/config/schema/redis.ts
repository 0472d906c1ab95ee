/** A Redis server that several gateways share something in. */
import { z } from "zod";
import { serverTls } from "./source-server.js";
import { text, textOrFile } from "./values.js";

export const redisSchema = z.strictObject({
  url: textOrFile(z.string().min(1)).describe(
    "redis://[user:password@]host[:6379][/database], rediss:// for TLS; in place or { file: … }. Holds the password, so it is shown nowhere. Secret.",
  ),
  prefix: text((value) =>
    /^[\x21-\x7e]{0,128}$/.test(value) ? null : { message: "must be at most 128 printable ASCII characters without spaces" },
  )
    .default("windrose:")
    .describe("What all its keys begin with. Gateways that share instances have the same."),
  tls: serverTls.optional().describe("With rediss:// only."),
});

export interface RedisUrl {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly database: number;
  readonly isSecure: boolean;
}

/** What is wrong with it is said without quoting any of it. */
export function parseRedisUrl(value: string): RedisUrl | string {
  if (!URL.canParse(value)) return "is not a URL such as redis://host:6379";
  const url = new URL(value);
  if (url.protocol !== "redis:" && url.protocol !== "rediss:") return "must begin with redis:// or rediss://";
  if (url.hostname === "") return "names no host";
  if (url.search !== "" || url.hash !== "") return "must not hold a query or a fragment";
  const database = /^\/?(\d{0,4})$/.exec(url.pathname)?.[1];
  if (database === undefined) return "must end with the host, the port or the number of a database";
  const [username, password] = [decode(url.username), decode(url.password)];
  if (username === null || password === null) return "holds a % that begins no escape in user or password (write %25)";
  if (username !== "" && password === "") return "holds a user name without a password (a password alone is :password@)";
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  return { host, port: Number(url.port || 6379), username, password, database: Number(database), isSecure: url.protocol === "rediss:" };
}

function decode(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}
