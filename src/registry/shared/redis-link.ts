/**
 * One connection to Redis, for as long as it lasts. Whatever fails (the connection, an answer that does not come, an error) ends it: whoever owns it
 * opens another one. Errors are one line without anything that was sent, because that may hold the password.
 */
import type { Redis, RedisOptions } from "ioredis";
import type { RedisSpec } from "../../engine/model/registry.js";
import { CLAIM_SCRIPT, EXCHANGE_SCRIPT, KEY_NAMES } from "./exchange-script.js";

/** Says what is wrong with the store, in words that may be shown. */
export class StoreFailure extends Error {}

export interface RedisLink {
  /** Names this run of the server; another one may have forgotten something. */
  readonly runId: string;
  /** Gives the store this name unless it has one, and says which it has. */
  claimEpoch(proposed: string): Promise<string>;
  revision(): Promise<number>;
  exchange(args: readonly (string | number)[]): Promise<readonly unknown[]>;
  /** Key and record of every instance, in no order; a key may come twice. */
  instances(): AsyncIterable<readonly [string, string]>;
  /** Oldest first. */
  log(): Promise<readonly string[]>;
  /** Key → when its time is over, on the store's clock. */
  due(): Promise<readonly (readonly [string, number])[]>;
  /** It leaves and is not missed. */
  signOff(gateway: string): Promise<void>;
  close(): void;
}

const CONNECT_TIMEOUT_MS = 2_000;
const ANSWER_TIMEOUT_MS = 2_000;
const SCAN_COUNT = 500;
/** Words with which Redis begins its errors, and what they mean to an operator. */
const ERRORS: Readonly<Record<string, string>> = {
  NOAUTH: "wants a password",
  WRONGPASS: "refuses user name or password",
  NOPERM: "does not permit this user what is needed",
  LOADING: "is still loading its data",
  READONLY: "is a replica, which cannot be written to",
  OOM: "has no memory left",
  MISCONF: "cannot write its data to disk and refuses changes",
  MASTERDOWN: "is a replica without its primary",
  BUSY: "is busy with a script",
  CLUSTERDOWN: "is a cluster that is down",
  MOVED: "is a cluster, which is not supported",
};

/** Rejects with a `StoreFailure`. */
export async function openRedisLink(spec: RedisSpec): Promise<RedisLink> {
  // Thousands of lines that nobody needs without a shared registry.
  const { Redis } = await import("ioredis");
  const redis = new Redis(optionsOf(spec));
  let lastError: unknown = null;
  redis.on("error", (error) => {
    lastError = error;
  });
  try {
    await redis.connect();
    const runId = /^run_id:(\w+)/m.exec(await redis.info("server"))?.[1] ?? "";
    return new Link(redis, spec.prefix, runId);
  } catch (error) {
    redis.disconnect();
    throw new StoreFailure(describeError(lastError ?? error), { cause: error });
  }
}

/** It neither tries again nor keeps anything for later: that is done with more knowledge elsewhere. */
function optionsOf({ host, port, username, password, database, tls }: RedisSpec): RedisOptions & { readonly replyMapping: "legacy" } {
  const secure = tls && {
    ...(tls.caPem === "" ? {} : { ca: tls.caPem }),
    ...(tls.certPem === "" ? {} : { cert: tls.certPem, key: tls.keyPem }),
    ...(tls.serverName === "" ? {} : { servername: tls.serverName }),
    rejectUnauthorized: tls.isVerified,
  };
  return {
    ...{ host, port, db: database, protocol: 2, replyMapping: "legacy", family: 0, keepAlive: 10_000, connectionName: "windrose" },
    ...(username === "" ? {} : { username }),
    ...(password === "" ? {} : { password }),
    ...(secure === null ? {} : { tls: secure }),
    ...{ lazyConnect: true, retryStrategy: () => null, reconnectOnError: null, maxRetriesPerRequest: 0 },
    ...{ enableReadyCheck: false, enableOfflineQueue: false, autoResendUnfulfilledCommands: false, disableClientInfo: true },
    ...{ connectTimeout: CONNECT_TIMEOUT_MS, commandTimeout: ANSWER_TIMEOUT_MS },
    scripts: { windroseExchange: { lua: EXCHANGE_SCRIPT, numberOfKeys: KEY_NAMES.length } },
  };
}

type Exchange = (...args: readonly (string | number)[]) => Promise<unknown>;

class Link implements RedisLink {
  readonly runId: string;
  readonly #redis: Redis;
  readonly #keys: readonly string[];

  constructor(redis: Redis, prefix: string, runId: string) {
    this.#redis = redis;
    this.runId = runId;
    // Braces: all keys lie in one slot, for those who shard behind a proxy.
    this.#keys = KEY_NAMES.map((name) => `${prefix}{registry}:${name}`);
  }

  async claimEpoch(proposed: string): Promise<string> {
    return String(await this.#ask(() => this.#redis.eval(CLAIM_SCRIPT, this.#keys.length, ...this.#keys, proposed)));
  }

  async revision(): Promise<number> {
    const [meta] = this.#keys as [string];
    return Number((await this.#ask(() => this.#redis.hget(meta, "revision"))) ?? 0);
  }

  async exchange(args: readonly (string | number)[]): Promise<readonly unknown[]> {
    const call = (this.#redis as unknown as { readonly windroseExchange: Exchange }).windroseExchange.bind(this.#redis);
    const answer = await this.#ask(() => call(...this.#keys, ...args));
    if (!Array.isArray(answer)) throw new StoreFailure("answers with something else than was asked");
    return answer;
  }

  async *instances(): AsyncIterable<readonly [string, string]> {
    const key = this.#keys[1] as string;
    let cursor = "0";
    do {
      const [next, found] = await this.#ask(() => this.#redis.hscan(key, cursor, "COUNT", SCAN_COUNT));
      for (let i = 0; i + 1 < found.length; i += 2) yield [found[i] as string, found[i + 1] as string];
      cursor = next;
    } while (cursor !== "0");
  }

  log(): Promise<readonly string[]> {
    return this.#ask(() => this.#redis.zrange(this.#keys[3] as string, 0, "-1"));
  }

  async due(): Promise<readonly (readonly [string, number])[]> {
    const found = await this.#ask(() => this.#redis.zrange(this.#keys[2] as string, 0, "-1", "WITHSCORES"));
    return Array.from({ length: found.length / 2 }, (_, i) => [found[2 * i] as string, Number(found[2 * i + 1])] as const);
  }

  async signOff(gateway: string): Promise<void> {
    await this.#ask(() => this.#redis.zrem(this.#keys[5] as string, gateway));
  }

  close(): void {
    this.#redis.disconnect();
  }

  async #ask<T>(command: () => Promise<T>): Promise<T> {
    try {
      return await command();
    } catch (error) {
      this.close();
      throw new StoreFailure(describeError(error), { cause: error });
    }
  }
}

function describeError(error: unknown): string {
  const { name, message, code } = error as NodeJS.ErrnoException;
  if (name === "ReplyError") {
    const word = /^[A-Z]+/.exec(message)?.[0] ?? "";
    return ERRORS[word] ?? `answers with an error (${word === "" ? "unknown" : word})`;
  }
  if (code !== undefined && /^[A-Z_]+$/.test(code)) return `cannot be reached (${code})`;
  return /timed? ?out/i.test(message) ? "does not answer" : "has closed the connection";
}
