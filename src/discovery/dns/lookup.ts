/**
 * What records a name has, and for how long that holds: asks servers in turn until one knows, follows aliases. That there are none
 * is an answer, too.
 */
import { getServers } from "node:dns";
import { isIP } from "node:net";
import { askServer, type DnsServer } from "./ask-server.js";
import type { AddressRecord, DnsRecordData, DnsResponse, RecordType, SrvRecord } from "./message.js";

export interface LookupOptions {
  /** `host:port`; empty: those of the system. */
  readonly servers: readonly string[];
  readonly timeoutMs: number;
  readonly stop: AbortSignal;
}

export interface Lookup {
  readonly records: readonly (AddressRecord | SrvRecord)[];
  /** Of the target names of SRV records, when the server sent them along. */
  readonly additional: readonly AddressRecord[];
  readonly ttlSeconds: number;
}

const NO_ERROR = 0;
const NO_SUCH_NAME = 3;
const CODE_NAMES: Readonly<Record<number, string>> = { 1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED" };
const MAX_ALIASES = 16;
/** For "there is none" without a lifetime. */
const NEGATIVE_TTL_SECONDS = 5;
/** Each server is asked so often: a datagram can get lost. */
const ROUNDS = 2;

/** Rejects when no server gives an answer that says something. */
export async function lookup(name: string, type: RecordType, options: LookupOptions): Promise<Lookup> {
  const failures: string[] = [];
  const servers = serversOf(options.servers);
  for (let round = 0; round < ROUNDS; round++) {
    for (const server of servers) {
      options.stop.throwIfAborted();
      const response = await askServer(server, { name, type, ...options }).catch((error: Error) => error);
      if (!(response instanceof Error) && (response.code === NO_ERROR || response.code === NO_SUCH_NAME)) {
        return interpret(response, name, type);
      }
      const problem = response instanceof Error ? reasonOf(response) : (CODE_NAMES[response.code] ?? `code ${response.code}`);
      failures.push(`${show(server)}: ${problem}`);
    }
  }
  throw new Error(`DNS cannot tell ${type} of ${name} (${[...new Set(failures)].join(", ") || "no server is known"})`);
}

/** Follows aliases within the answer; a resolver sends the whole chain. */
function interpret(response: DnsResponse, name: string, type: RecordType): Lookup {
  let ttlSeconds = Number.POSITIVE_INFINITY;
  let owner = name;
  for (let i = 0; i < MAX_ALIASES; i++) {
    const records = response.answers.filter((record) => record.type === type && record.name === owner) as (AddressRecord | SrvRecord)[];
    if (records.length > 0) {
      for (const record of records) ttlSeconds = Math.min(ttlSeconds, record.ttlSeconds);
      return { records, additional: response.additional.filter(isAddress), ttlSeconds };
    }
    const alias = response.answers.find((record) => record.type === "CNAME" && record.name === owner);
    if (alias?.type !== "CNAME") break;
    ttlSeconds = Math.min(ttlSeconds, alias.ttlSeconds);
    owner = alias.target;
  }
  return { records: [], additional: [], ttlSeconds: Math.min(ttlSeconds, response.negativeTtlSeconds ?? NEGATIVE_TTL_SECONDS) };
}

function isAddress(record: DnsRecordData): record is AddressRecord {
  return record.type === "A" || record.type === "AAAA";
}

/** Read anew for each question: resolv.conf changes when a machine moves between networks. */
function serversOf(written: readonly string[]): DnsServer[] {
  return (written.length > 0 ? written : getServers()).map(parseServer);
}

function parseServer(text: string): DnsServer {
  if (isIP(text) !== 0) return { host: text, port: 53 };
  const colon = text.lastIndexOf(":");
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(text.slice(colon + 1)) };
}

function show({ host, port }: DnsServer): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function reasonOf(error: NodeJS.ErrnoException): string {
  return error.code ?? error.message;
}
