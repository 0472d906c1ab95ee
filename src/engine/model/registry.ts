/** The built-in registry as the snapshot says it. */

export interface RegistrySpec {
  readonly bind: { readonly host: string; readonly port: number };
  /** At least one when the bind is not loopback. Empty: callers on loopback need none. */
  readonly tokens: readonly RegistryTokenSpec[];
  /** From the end of a lease to removal. */
  readonly graceMs: number;
  readonly drainMs: number;
  /** How long what was removed can be seen and restored. */
  readonly retentionMs: number;
}

export interface RegistryTokenSpec {
  readonly name: string;
  /** Secret. */
  readonly token: string;
  /** Names, or `*` for all. */
  readonly services: readonly string[];
}
