/**
 * A conversation with etcd: reads all keys of a prefix as of one revision, then follows every change after it. Meanwhile it asks
 * again and again, so that a member that hangs, or has lost the others, is left. The next conversation is with the next member.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { EtcdSourceSpec } from "../../engine/model/endpoint-source.js";
import type { GatheredEndpoints } from "../endpoint-value.js";
import type { Follow } from "../follower.js";
import { reasonOf, ServersInTurn } from "../http/servers-in-turn.js";
import { joinNotes, MAX_ENDPOINTS } from "../source.js";
import { Wake } from "../wake.js";
import { EtcdClient, refusal } from "./client.js";
import { KnownKeys, tooMany } from "./known-keys.js";
import { type AnswerHeader, type KeyRange, rangeAfter, rangeOfPrefix, type WatchMessage } from "./messages.js";

/** How often the member is asked: on its own it says that it is alive only every ten minutes. */
const ASK_EVERY_MS = 5_000;
/** Whatever may get lost in a stream, it is not lost for long. */
const MAX_AGE_MS = 300_000;
/** Changes within it are told together. */
const LEAST_GAP_MS = 200;

export function followPrefix(spec: EtcdSourceSpec, askEveryMs = ASK_EVERY_MS): Follow {
  const servers = new ServersInTurn(spec.urls);
  const failure = (reason: string, cause: unknown): Error => new Error(`etcd cannot tell ${spec.prefix} (${reason})`, { cause });

  return async (found, stop) => {
    const ending = new AbortController();
    const end = (): void => ending.abort();
    stop.addEventListener("abort", end);
    try {
      const begun = await servers
        .ask(async (url) => ({ ...(await begin(spec, url, ending.signal)), askEveryMs }), stop)
        .catch((error: unknown) => {
          throw failure(reasonOf(error), error);
        });
      const tell: Tell = ({ endpoints, note }) => found(endpoints, { failure: "", note: joinNotes(note, servers.note) });
      await converse(begun, tell, ending).catch((error: unknown) => {
        const server = servers.current;
        servers.passOver(error);
        throw failure(`${server}: ${reasonOf(error)}`, error);
      });
    } finally {
      end();
      stop.removeEventListener("abort", end);
    }
  };
}

type Tell = (gathered: GatheredEndpoints) => void;

interface Begun {
  readonly client: EtcdClient;
  readonly range: KeyRange;
  readonly keys: KnownKeys;
  readonly changes: AsyncIterable<WatchMessage>;
  /** Of the latest change that is known. */
  header: AnswerHeader;
  readonly askEveryMs: number;
}

async function begin(spec: EtcdSourceSpec, url: string, signal: AbortSignal): Promise<Omit<Begun, "askEveryMs">> {
  const client = new EtcdClient(spec, url, signal);
  await client.login();
  const range = rangeOfPrefix(spec.prefix);
  const keys = new KnownKeys();
  const header = await readAll(client, range, keys);
  const changes = await client.watch(range, header.revision + 1n, signal);
  return { client, range, keys, changes, header };
}

/** All pages are of the revision of the first. */
async function readAll(client: EtcdClient, range: KeyRange, keys: KnownKeys): Promise<AnswerHeader> {
  let page = await client.range(range, 0n);
  const { clusterId, revision } = page;
  if (page.count > MAX_ENDPOINTS) throw new Error(tooMany(page.count));
  for (;;) {
    const countBefore = keys.count;
    for (const stored of page.values) keys.put(stored);
    const last = page.values.at(-1);
    if (!page.hasMore || last === undefined) return { clusterId, revision };
    if (keys.count === countBefore) throw new Error("lists the same keys again and again");
    page = await client.range(rangeAfter(range, last.key), revision);
  }
}

/** Resolves when it has lasted long enough, rejects when it breaks off. */
async function converse(begun: Begun, tell: Tell, ending: AbortController): Promise<void> {
  const news = new Wake();
  ending.signal.addEventListener("abort", () => news.set());
  const parts = [
    followChanges(begun, news),
    keepAsking(begun, news, ending.signal),
    tellNews({ keys: begun.keys, news, tell }, ending.signal),
  ];
  try {
    await Promise.race(parts);
  } finally {
    ending.abort();
    await Promise.allSettled(parts);
  }
}

interface Telling {
  readonly keys: KnownKeys;
  readonly news: Wake;
  readonly tell: Tell;
}

async function tellNews({ keys, news, tell }: Telling, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    tell(keys.read());
    await pause(LEAST_GAP_MS, undefined, { signal, ref: false });
    await news.wait();
  }
}

async function followChanges(begun: Begun, news: Wake): Promise<void> {
  for await (const message of begun.changes) {
    if (message.type === "compacted") return;
    if (message.type === "canceled") throw new Error("cancelled the stream of changes");
    if (message.type === "failed") throw refusal(0, message.code);
    begun.header = checkedHeader(begun.header, message);
    for (const change of message.changes) begun.keys.apply(change);
    if (message.changes.length > 0) news.set();
  }
  throw new Error("ended the stream of changes");
}

async function keepAsking(begun: Begun, confirmed: Wake, signal: AbortSignal): Promise<void> {
  // Many gateways that began together do not begin anew together.
  const endAt = performance.now() + MAX_AGE_MS * (0.75 + 0.5 * Math.random());
  let doubtedAt = -1n;
  while (performance.now() < endAt) {
    await pause(begun.askEveryMs, undefined, { signal, ref: false });
    const { revision: seen } = begun.header;
    const answer = await begun.client.count(begun.range);
    const { clusterId, revision: heard } = begun.header;
    // Said by a majority, so it cannot be behind what was seen before, unless it has another past.
    if (answer.clusterId !== clusterId || answer.revision < seen) throw new Error(OTHER_DATA);
    const isSame = answer.count === begun.keys.count;
    // Changes may be on their way, but not for so long, unless somebody in between holds them back.
    if (!isSame && doubtedAt === heard) throw new Error("does not tell of changes");
    doubtedAt = isSame ? -1n : heard;
    if (isSame) confirmed.set();
  }
}

function checkedHeader(known: AnswerHeader, { clusterId, revision }: AnswerHeader): AnswerHeader {
  if (clusterId !== known.clusterId) throw new Error(OTHER_DATA);
  return revision > known.revision ? { clusterId, revision } : known;
}

const OTHER_DATA = "has other data than before";
