/** What the keys of a prefix hold, kept up to date change by change. */
import { type GatheredEndpoints, gatherEndpoints, type WrittenEndpoint } from "../endpoint-value.js";
import { MAX_ENDPOINTS } from "../source.js";
import { type Change, keyText, type StoredValue } from "./messages.js";
import { readEtcdEndpoint } from "./read-endpoint.js";

export class KnownKeys {
  readonly #entries = new Map<string, WrittenEndpoint>();

  get count(): number {
    return this.#entries.size;
  }

  put({ key, value, revision }: StoredValue): void {
    const endpoint = readEtcdEndpoint(Buffer.from(value, "base64").toString("utf8"));
    this.#entries.set(key, { name: keyText(key), writtenAt: revision, endpoint });
    if (this.#entries.size > MAX_ENDPOINTS) throw new Error(tooMany(this.#entries.size));
  }

  apply(change: Change): void {
    if (change.type === "put") this.put(change.stored);
    else this.#entries.delete(change.key);
  }

  read(): GatheredEndpoints {
    return gatherEndpoints(this.#entries.values(), "keys in etcd");
  }
}

export function tooMany(count: number): string {
  return `has ${count} keys there, more than ${MAX_ENDPOINTS}`;
}
