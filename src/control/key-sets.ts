/**
 * The primary's copy of every JWT provider's keys: fetched, refreshed, kept when the provider is unreachable, and
 * pushed to the workers when they change. What is pushed holds public members only, but for HMAC secrets of providers
 * that allow HS algorithms.
 */
import type { JwtProviderSpec } from "../engine/model/snapshot.js";
import { MAX_TIMER_MS } from "../engine/model/units.js";
import { downloadJwks, type JwksDownload, type JwksSource } from "./jwks-download.js";

export interface Jwks {
  readonly keys: readonly Readonly<Record<string, unknown>>[];
}

export interface KeySet {
  /** Grows with every change of any provider. */
  readonly version: number;
  readonly jwks: Jwks;
}

/** For the admin view: no key material. */
export interface KeySetState {
  readonly provider: string;
  /** Without user, password and query; "" for keys from the document. */
  readonly uri: string;
  /** `stale`: the last fetch failed and older keys are in use. */
  readonly status: "ready" | "stale" | "unavailable";
  readonly version: number;
  readonly keyIds: readonly string[];
  /** Milliseconds since the epoch; 0: never. */
  readonly fetchedAtMs: number;
  /** 0: no fetch is planned. */
  readonly nextFetchAtMs: number;
  /** "" when the last fetch succeeded. */
  readonly lastError: string;
}

export interface KeySetsOptions {
  /** Called for every set that is new or has changed. */
  readonly onUpdate: (provider: string, version: number, jwks: Jwks) => void;
  readonly log: (message: string) => void;
  /** Stands in for the network. */
  readonly download?: (source: JwksSource, stop: AbortSignal) => Promise<JwksDownload>;
}

export interface KeySets {
  /** Settles, never rejects, when every provider has been tried once. */
  start(): Promise<void>;
  /**
   * Before a change of configuration: begins to fetch what is new, while what is known stays in use. Unchanged providers
   * keep their keys and plans.
   */
  prepare(providers: readonly JwtProviderSpec[]): PreparedKeySets;
  /**
   * Fetches now, because a token names an unknown key; at most once per cooldown, whoever asks. Settles, never
   * rejects, when `onUpdate` has been called for what came of it.
   */
  refresh(provider: string): Promise<void>;
  /** Null until keys have been had. */
  current(provider: string): KeySet | null;
  state(): readonly KeySetState[];
  stop(): void;
}

export interface PreparedKeySets {
  /** Settles, never rejects, when every new provider has been tried once. */
  readonly ready: Promise<void>;
  /** From now on these are the providers; `onUpdate` is called for the new and the changed ones. */
  commit(): void;
  cancel(): void;
}

export function createKeySets(providers: readonly JwtProviderSpec[], options: KeySetsOptions): KeySets {
  const followers = new Map<string, Follower>();
  let version = 0;
  const publish = (follower: Follower, jwks: Jwks): number => {
    if (followers.get(follower.name) === follower) options.onUpdate(follower.name, ++version, jwks);
    return version;
  };
  for (const spec of providers) followers.set(spec.name, new Follower(spec, options, publish));

  function commit(providers: readonly JwtProviderSpec[], fresh: ReadonlyMap<string, Follower>): void {
    for (const [name, follower] of followers) {
      if (fresh.has(name) || providers.some((spec) => spec.name === name)) continue;
      follower.stop();
      followers.delete(name);
    }
    for (const [name, follower] of fresh) {
      const old = followers.get(name);
      old?.stop();
      followers.set(name, follower);
      // Keys of the former source must not be trusted any longer, even if the new one cannot be reached.
      if (!follower.announce() && old !== undefined) publish(follower, { keys: [] });
    }
  }

  return {
    start: async () => {
      await Promise.all(Array.from(followers.values(), (follower) => follower.start()));
    },
    prepare(next) {
      const isKnown = (spec: JwtProviderSpec): boolean => followers.get(spec.name)?.hasSameSource(spec) === true;
      const created = next.filter((spec) => !isKnown(spec)).map((spec) => new Follower(spec, options, publish));
      const fresh = new Map(created.map((follower) => [follower.name, follower]));
      return {
        ready: Promise.all(created.map((follower) => follower.start())).then(() => {}),
        commit: () => commit(next, fresh),
        cancel: () => {
          for (const follower of created) follower.stop();
        },
      };
    },
    refresh: async (provider) => followers.get(provider)?.refresh(),
    current: (provider) => followers.get(provider)?.current ?? null,
    state: () => Array.from(followers.values(), (follower) => follower.state()),
    stop: () => {
      for (const follower of followers.values()) follower.stop();
    },
  };
}

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 5 * 60_000;
const MAX_KEYS = 64;

/** Follows the keys of one provider. */
class Follower {
  readonly name: string;
  current: KeySet | null = null;
  readonly #spec: JwtProviderSpec;
  readonly #options: KeySetsOptions;
  readonly #publish: (follower: Follower, jwks: Jwks) => number;
  readonly #stop = new AbortController();
  #started: Promise<void> | null = null;
  #fetching: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #forcedAtMs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #fetchedAtMs = 0;
  #nextFetchAtMs = 0;
  #lastError = "";

  constructor(spec: JwtProviderSpec, options: KeySetsOptions, publish: (follower: Follower, jwks: Jwks) => number) {
    this.name = spec.name;
    this.#spec = spec;
    this.#options = options;
    this.#publish = publish;
  }

  /** `algorithms` decides whether secrets are passed on. */
  hasSameSource(spec: JwtProviderSpec): boolean {
    return JSON.stringify([spec.keys, spec.algorithms]) === JSON.stringify([this.#spec.keys, this.#spec.algorithms]);
  }

  start(): Promise<void> {
    this.#started ??= this.#spec.keys.type === "fixed" ? this.#takeFixed(this.#spec.keys.jwks) : this.#fetch();
    return this.#started;
  }

  /** Tells of the keys that it has; false when it has none yet. */
  announce(): boolean {
    if (this.current === null) return false;
    const { jwks } = this.current;
    this.current = { version: this.#publish(this, jwks), jwks };
    return true;
  }

  async #takeFixed(jwks: Jwks): Promise<void> {
    this.#take(jwks);
  }

  async refresh(): Promise<void> {
    const { keys } = this.#spec;
    if (keys.type === "fixed" || this.#stop.signal.aborted) return;
    if (this.#fetching !== null) return this.#fetching;
    const nowMs = performance.now();
    if (nowMs - this.#forcedAtMs < keys.cooldownMs) return;
    this.#forcedAtMs = nowMs;
    return this.#fetch();
  }

  stop(): void {
    this.#stop.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#nextFetchAtMs = 0;
  }

  state(): KeySetState {
    const status = this.current === null ? "unavailable" : this.#lastError === "" ? "ready" : "stale";
    return {
      provider: this.name,
      uri: this.#spec.keys.type === "uri" ? withoutSecrets(this.#spec.keys.uri) : "",
      status,
      version: this.current?.version ?? 0,
      keyIds: (this.current?.jwks.keys ?? []).map((key) => (typeof key.kid === "string" ? key.kid : "")),
      fetchedAtMs: this.#fetchedAtMs,
      nextFetchAtMs: this.#nextFetchAtMs,
      lastError: this.#lastError,
    };
  }

  #fetch(): Promise<void> {
    this.#fetching ??= this.#fetchOnce().finally(() => {
      this.#fetching = null;
    });
    return this.#fetching;
  }

  async #fetchOnce(): Promise<void> {
    const source = this.#spec.keys as JwksSource & { readonly refreshMs: number; readonly cooldownMs: number };
    try {
      const { document, maxAgeMs } = await (this.#options.download ?? downloadJwks)(source, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      this.#take(document);
      this.#succeeded();
      const wishedMs = maxAgeMs === null ? source.refreshMs : Math.min(Math.max(maxAgeMs, source.cooldownMs), source.refreshMs);
      this.#plan(wishedMs * (0.9 + 0.1 * Math.random()));
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#failed(error);
      const pauseMs = Math.min(FIRST_RETRY_MS * 2 ** (this.#failures - 1), MAX_RETRY_MS, source.refreshMs);
      this.#plan(pauseMs * (0.5 + 0.5 * Math.random()));
    }
  }

  #take(document: unknown): void {
    const jwks = usableKeys(document, this.#spec);
    if (this.current !== null && JSON.stringify(this.current.jwks) === JSON.stringify(jwks)) return;
    if (jwks.keys.length === 0) this.#options.log(`JWT provider ${this.name}: its key set holds no usable key`);
    this.current = { version: this.#publish(this, jwks), jwks };
  }

  #succeeded(): void {
    if (this.#failures > 0) this.#options.log(`JWT provider ${this.name}: keys are fetched again`);
    this.#failures = 0;
    this.#lastError = "";
    this.#fetchedAtMs = Date.now();
  }

  /** Logged when it begins, not at every retry. */
  #failed(error: unknown): void {
    this.#failures = Math.min(this.#failures + 1, 30);
    this.#lastError = error instanceof Error ? error.message || error.name : "unknown error";
    const consequence = this.current === null ? "requests that need them get 503" : "the last ones stay in use";
    if (this.#failures === 1) this.#options.log(`JWT provider ${this.name}: keys cannot be fetched (${this.#lastError}); ${consequence}`);
  }

  #plan(delayMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#nextFetchAtMs = Date.now() + delayMs;
    this.#timer = setTimeout(() => void this.#fetch(), Math.min(delayMs, MAX_TIMER_MS));
    this.#timer.unref();
  }
}

const PUBLIC_MEMBERS: ReadonlyMap<unknown, readonly string[]> = new Map([
  ["RSA", ["n", "e"]],
  ["EC", ["crv", "x", "y"]],
  ["OKP", ["crv", "x"]],
  ["oct", ["k"]],
]);
const DESCRIBING_MEMBERS = ["kty", "kid", "alg", "use", "key_ops"];

/** Throws when it is not a key set at all; keys that cannot verify signatures are left out (RFC 7517 §5). */
function usableKeys(document: unknown, spec: JwtProviderSpec): Jwks {
  const keys: unknown = typeof document === "object" && document !== null ? (document as { keys?: unknown }).keys : undefined;
  if (!Array.isArray(keys)) throw new Error("answered with something that is not a JWK set");
  const areSecretsNeeded = spec.algorithms.some((alg) => alg.startsWith("HS"));
  return {
    keys: keys
      .map((key) => publicPart(key, areSecretsNeeded))
      .filter((key) => key !== null)
      .slice(0, MAX_KEYS),
  };
}

/** Members are picked, not dropped: what is unknown here does not reach the workers. */
function publicPart(key: unknown, areSecretsNeeded: boolean): Readonly<Record<string, unknown>> | null {
  if (typeof key !== "object" || key === null) return null;
  const jwk = key as Record<string, unknown>;
  const members = PUBLIC_MEMBERS.get(jwk.kty);
  if (members === undefined || (jwk.kty === "oct" && !areSecretsNeeded)) return null;
  const picked: Record<string, unknown> = {};
  for (const name of [...DESCRIBING_MEMBERS, ...members]) if (jwk[name] !== undefined) picked[name] = jwk[name];
  return picked;
}

function withoutSecrets(uri: string): string {
  const url = URL.canParse(uri) ? new URL(uri) : null;
  return url === null ? "" : `${url.origin}${url.pathname}`;
}
