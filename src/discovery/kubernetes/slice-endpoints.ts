/**
 * The EndpointSlices of a Service → its endpoints, by the rules of kube-proxy: what is ready takes traffic; when nothing is, what
 * terminates and still serves does. Zones are those that hints assign, when all that take traffic have some.
 */
import type { EndpointSpec } from "../../engine/model/snapshot.js";
import { LeftOut, sortEndpoints } from "../instance-facts.js";
import type { Slice, SliceEndpoint } from "./read-objects.js";

export interface SliceEndpoints {
  /** Sorted, each address once. */
  readonly endpoints: readonly EndpointSpec[];
  /** What was left out; "": nothing. */
  readonly note: string;
}

interface Candidate extends SliceEndpoint {
  readonly port: number;
}

/**
 * Throws, with a message fit for logs, when no endpoint has the port that is wanted.
 * @param port name or number; "": the only one
 */
export function endpointsOf(slices: readonly Slice[], port: string | number): SliceEndpoints {
  const leftOut = new LeftOut();
  const candidates: Candidate[] = [];
  for (const slice of slices) {
    const number = portOf(slice, port);
    for (let i = 0; i < slice.unusable; i++) leftOut.add("an unusable address");
    for (const endpoint of slice.endpoints) {
      if (number === null) leftOut.add(port === "" ? "several ports, or none" : `no TCP port ${port}`);
      else candidates.push({ ...endpoint, port: number });
    }
  }
  const note = leftOut.note("endpoints in Kubernetes");
  if (candidates.length === 0 && note !== "") throw new Error(port === "" ? `${note}: write port` : note);
  return { endpoints: toEndpoints(withoutTwins(merge(candidates))), note };
}

function portOf({ ports }: Slice, wanted: string | number): number | null {
  if (typeof wanted === "number") {
    const isThere = ports === null || ports.some(({ number }) => number === wanted || number === null);
    return isThere ? wanted : null;
  }
  if (wanted !== "") return ports?.find(({ name }) => name === wanted)?.number ?? null;
  return ports?.length === 1 ? (ports[0]?.number ?? null) : null;
}

/** An endpoint that moves from one slice to another is in both for a while; what is ready in one of them is ready. */
function merge(candidates: readonly Candidate[]): Candidate[] {
  const merged = new Map<string, Candidate>();
  for (const candidate of [...candidates].sort(byPreference)) {
    const key = `${candidate.host} ${candidate.port}`;
    if (!merged.has(key)) merged.set(key, candidate);
  }
  return [...merged.values()];
}

/** Ready ones, IPv4, and then any order that is the same next time. */
function byPreference(a: Candidate, b: Candidate): number {
  return Number(b.isReady) - Number(a.isReady) || Number(a.isIpv6) - Number(b.isIpv6) || compare(a.pod, b.pod) || compare(a.node, b.node);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A pod with addresses of both families is one endpoint, not two. @param candidates in order of preference */
function withoutTwins(candidates: readonly Candidate[]): Candidate[] {
  const keyOf = ({ pod, port }: Candidate): string => `${pod} ${port}`;
  const families = new Map<string, boolean>();
  for (const candidate of candidates) if (!families.has(keyOf(candidate))) families.set(keyOf(candidate), candidate.isIpv6);
  return candidates.filter((candidate) => candidate.pod === "" || families.get(keyOf(candidate)) === candidate.isIpv6);
}

function toEndpoints(candidates: readonly Candidate[]): EndpointSpec[] {
  const isAnyReady = candidates.some(({ isReady }) => isReady);
  const takesTraffic = ({ isReady }: Candidate): boolean => isReady || !isAnyReady;
  const isHinted = candidates.filter(takesTraffic).every(({ hintedZones }) => hintedZones.length > 0);
  return sortEndpoints(
    candidates.map((candidate) => ({
      host: candidate.host,
      port: candidate.port,
      weight: takesTraffic(candidate) ? 1 : 0,
      zone: isHinted ? hintedZoneOf(candidate) : candidate.zone,
      priority: 0,
      labels: labelsOf(candidate),
    })),
  );
}

/** Of several that would do, the one it runs in. */
function hintedZoneOf({ hintedZones, zone }: SliceEndpoint): string {
  return hintedZones.includes(zone) ? zone : (hintedZones[0] ?? zone);
}

function labelsOf({ node, pod }: SliceEndpoint): Record<string, string> {
  return { ...(node === "" ? {} : { node }), ...(pod === "" ? {} : { pod }) };
}
