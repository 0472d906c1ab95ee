/** Endpoints from DNS: addresses of a name with one port, or SRV records. Asks again when the shortest TTL of an answer is over. */
import type { DnsSourceSpec } from "../engine/model/endpoint-source.js";
import type { EndpointSpec } from "../engine/model/snapshot.js";
import { type Lookup, type LookupOptions, lookup } from "./dns/lookup.js";
import type { AddressRecord, SrvRecord } from "./dns/message.js";
import { createPoller, type PollAnswer } from "./poller.js";
import { MAX_ENDPOINTS, type Source, type SourceSink } from "./source.js";

export function createDnsSource(spec: DnsSourceSpec, sink: SourceSink): Source {
  return createPoller((stop) => ask(spec, stop), sink);
}

interface Found {
  readonly endpoints: readonly EndpointSpec[];
  readonly ttlSeconds: number;
}

async function ask(spec: DnsSourceSpec, stop: AbortSignal): Promise<PollAnswer> {
  const { name, record, servers, timeoutMs } = spec;
  const options = { servers, timeoutMs, stop };
  const { endpoints, ttlSeconds } = record === "SRV" ? await findServices(name, options) : await findAddresses(spec, options);
  const refreshMs = Math.min(Math.max(ttlSeconds * 1_000, spec.minRefreshMs), spec.maxRefreshMs);
  return { endpoints: [...endpoints].sort(byPlace), refreshMs };
}

/** When both families are wanted, one of them suffices: many names have no AAAA. */
async function findAddresses({ name, record, port }: DnsSourceSpec, options: LookupOptions): Promise<Found> {
  const types = record === "addresses" ? (["A", "AAAA"] as const) : [record === "AAAA" ? ("AAAA" as const) : ("A" as const)];
  const found = await Promise.all(types.map((type) => lookup(name, type, options)));
  const addresses = found.flatMap(({ records }) => records as readonly AddressRecord[]);
  return {
    endpoints: unique(addresses.map(({ address }) => endpoint(address, port, { weight: 1, priority: 0 }))),
    ttlSeconds: shortest(found),
  };
}

async function findServices(name: string, options: LookupOptions): Promise<Found> {
  const services = await lookup(name, "SRV", options);
  // A target of "." says that there is no such service (RFC 2782).
  const records = (services.records as readonly SrvRecord[]).filter(({ target }) => target !== "");
  if (records.length > MAX_TARGETS) throw new Error(`DNS names ${records.length} targets for ${name}, more than ${MAX_TARGETS}`);
  const targets = [...new Set(records.map(({ target }) => target))];
  const found = new Map<string, Addresses>();
  for (let i = 0; i < targets.length; i += AT_ONCE) {
    const part = targets.slice(i, i + AT_ONCE);
    await Promise.all(part.map(async (target) => found.set(target, await addressesOf(target, services, options))));
  }
  const ranks = ranksOf(records);
  const endpoints = records.flatMap((record) =>
    (found.get(record.target)?.addresses ?? []).map((address) =>
      endpoint(address, record.port, { weight: Math.max(1, record.weight), priority: ranks.get(record.priority) ?? 0 }),
    ),
  );
  return { endpoints: unique(endpoints), ttlSeconds: Math.min(services.ttlSeconds, shortest([...found.values()])) };
}

/** Each target may cost a question of its own. */
const MAX_TARGETS = 256;
const AT_ONCE = 16;

/** Of IPv4, or of IPv6 when there are none. */
async function addressesOf(target: string, { additional }: Lookup, options: LookupOptions): Promise<Addresses> {
  const known = additional.filter(({ name, type }) => name === target && type === "A");
  if (known.length > 0) return addressesIn(known, Math.min(...known.map(({ ttlSeconds }) => ttlSeconds)));
  for (const type of ["A", "AAAA"] as const) {
    const { records, ttlSeconds } = await lookup(target, type, options);
    if (records.length > 0 || type === "AAAA") return addressesIn(records as readonly AddressRecord[], ttlSeconds);
  }
  return addressesIn([], 0);
}

interface Addresses {
  readonly addresses: readonly string[];
  readonly ttlSeconds: number;
}

function addressesIn(records: readonly AddressRecord[], ttlSeconds: number): Addresses {
  return { addresses: records.map(({ address }) => address), ttlSeconds };
}

/** The lowest number of SRV is asked first; here priorities count up from 0, and what lies far behind shares the last. */
const MAX_PRIORITY = 15;

function ranksOf(records: readonly SrvRecord[]): Map<number, number> {
  const written = [...new Set(records.map(({ priority }) => priority))].sort((a, b) => a - b);
  return new Map(written.map((priority, rank) => [priority, Math.min(rank, MAX_PRIORITY)]));
}

function shortest(answers: readonly { readonly ttlSeconds: number }[]): number {
  return answers.reduce((least, { ttlSeconds }) => Math.min(least, ttlSeconds), Number.POSITIVE_INFINITY);
}

function endpoint(host: string, port: number, share: { readonly weight: number; readonly priority: number }): EndpointSpec {
  return { host, port, weight: share.weight, zone: "", priority: share.priority, labels: {} };
}

function unique(endpoints: readonly EndpointSpec[]): EndpointSpec[] {
  return [...new Map(endpoints.map((one) => [`${one.host} ${one.port}`, one])).values()].slice(0, MAX_ENDPOINTS + 1);
}

/** Servers turn their answers round; that is no change. */
function byPlace(a: EndpointSpec, b: EndpointSpec): number {
  return a.priority - b.priority || (a.host < b.host ? -1 : a.host > b.host ? 1 : a.port - b.port);
}
