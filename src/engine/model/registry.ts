/** The built-in registry as the snapshot says it. */
import type { ServerTlsSpec } from "./endpoint-source.js";

export interface RegistrySpec {
  /** Null: instances are kept in memory. */
  readonly redis: RedisSpec | null;
  readonly bind: { readonly host: string; readonly port: number };
  /** At least one when the bind is not loopback. Empty: callers on loopback need none. */
  readonly tokens: readonly RegistryTokenSpec[];
  /** From the end of a lease to removal. */
  readonly graceMs: number;
  readonly drainMs: number;
  /** How long what was removed can be seen and restored. */
  readonly retentionMs: number;
}

export interface RedisSpec {
  readonly host: string;
  readonly port: number;
  /** "": none. */
  readonly username: string;
  /** Secret; "": none. */
  readonly password: string;
  readonly database: number;
  /** Null: plain TCP. */
  readonly tls: ServerTlsSpec | null;
  /** What the names of its keys begin with. */
  readonly prefix: string;
}

export interface RegistryTokenSpec {
  readonly name: string;
  /** Secret. */
  readonly token: string;
  /** Names, or `*` for all. */
  readonly services: readonly string[];
}
