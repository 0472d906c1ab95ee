/**
 * EndpointSlices as an API server keeps them: every write has a resourceVersion of the whole cluster, lists are of one moment whatever
 * happens between their pages, history is kept until it is compacted.
 */

export interface SliceObject {
  readonly apiVersion: "discovery.k8s.io/v1";
  readonly kind: "EndpointSlice";
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly [field: string]: unknown;
  };
  readonly addressType: string;
  readonly endpoints: readonly EndpointObject[] | null;
  readonly ports: readonly PortObject[] | null;
}

export interface EndpointObject {
  readonly addresses: readonly string[];
  readonly conditions?: { readonly ready?: boolean | null; readonly serving?: boolean | null; readonly terminating?: boolean | null };
  readonly zone?: string;
  readonly nodeName?: string;
  readonly targetRef?: { readonly kind: string; readonly namespace?: string; readonly name: string; readonly uid?: string };
  readonly hints?: { readonly forZones?: readonly { readonly name: string }[] };
}

export interface PortObject {
  readonly name?: string | null;
  readonly port?: number | null;
  readonly protocol?: string | null;
}

interface Write {
  readonly version: number;
  readonly before: SliceObject | null;
  readonly after: SliceObject | null;
}

export type Matches = (slice: SliceObject) => boolean;

export interface Page {
  readonly items: readonly SliceObject[];
  readonly version: number;
  /** "": the last one. */
  readonly continueToken: string;
}

export interface Change {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: SliceObject;
  readonly version: number;
}

export class KubernetesStore {
  readonly #slices = new Map<string, SliceObject>();
  #history: Write[] = [];
  /** Lists whose further pages may be asked for. */
  readonly #moments = new Map<number, { readonly version: number; readonly slices: readonly SliceObject[] }>();
  #lists = 0;
  /** What happened until then is forgotten. */
  #compacted = 0;
  version = 1_000;
  /** Called after every write. */
  onWrite: () => void = () => {};

  put(slice: SliceObject): void {
    this.version++;
    const key = `${slice.metadata.namespace}/${slice.metadata.name}`;
    const before = this.#slices.get(key) ?? null;
    const metadata = { ...slice.metadata, uid: `uid-${key}`, generation: 1, resourceVersion: String(this.version) };
    this.#write(key, before, { ...slice, metadata });
  }

  remove(namespace: string, name: string): void {
    const key = `${namespace}/${name}`;
    const before = this.#slices.get(key);
    if (before === undefined) throw new Error(`there is no ${key}`);
    this.version++;
    this.#write(key, before, null);
  }

  /** Other objects are written, too. */
  age(writes: number): void {
    this.version += writes;
    this.onWrite();
  }

  compact(): void {
    this.#compacted = this.version;
    this.#history = [];
    this.#moments.clear();
  }

  /** Null: the moment of the first page is forgotten. */
  list(matches: Matches, limit: number, continueToken: string): Page | null {
    const token = continueToken === "" ? null : readToken(continueToken);
    const moment = token === null ? { version: this.version, slices: this.#now().filter(matches) } : this.#moments.get(token.moment);
    if (moment === undefined) return null;
    const from = token?.from ?? 0;
    const items = limit === 0 ? moment.slices : moment.slices.slice(from, from + limit);
    const isLast = from + items.length >= moment.slices.length;
    if (isLast) return { items, version: moment.version, continueToken: "" };
    const number = token?.moment ?? ++this.#lists;
    this.#moments.set(number, moment);
    return { items, version: moment.version, continueToken: writeToken({ moment: number, from: from + items.length }) };
  }

  /** In the order of writes. Null: it is forgotten. */
  since(version: number, matches: Matches): readonly Change[] | null {
    if (version < this.#compacted) return null;
    return this.#history.filter((write) => write.version > version).flatMap((write) => changeOf(write, matches));
  }

  #now(): SliceObject[] {
    return [...this.#slices].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, slice]) => slice);
  }

  #write(key: string, before: SliceObject | null, after: SliceObject | null): void {
    if (after === null) this.#slices.delete(key);
    else this.#slices.set(key, after);
    this.#history.push({ version: this.version, before, after });
    this.onWrite();
  }
}

/** As one who sees only what matches is told of it. */
function changeOf({ before, after, version }: Write, matches: Matches): Change[] {
  const wasSeen = before !== null && matches(before);
  if (after !== null && matches(after)) return [{ type: wasSeen ? "MODIFIED" : "ADDED", object: after, version }];
  // It shows the last state, at the version at which it went.
  return wasSeen ? [{ type: "DELETED", object: at(before, version), version }] : [];
}

function at(slice: SliceObject, version: number): SliceObject {
  return { ...slice, metadata: { ...slice.metadata, resourceVersion: String(version) } };
}

interface ContinueToken {
  readonly moment: number;
  readonly from: number;
}

function writeToken(token: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: "meta.k8s.io/v1", ...token })).toString("base64url");
}

function readToken(token: string): ContinueToken {
  return JSON.parse(Buffer.from(token, "base64url").toString()) as ContinueToken;
}

/** A slice as the controller of Kubernetes writes it. */
export function slice(
  name: string,
  service: string,
  content: Partial<Pick<SliceObject, "addressType" | "endpoints" | "ports">> & { namespace?: string } = {},
): SliceObject {
  const { namespace = "shop", addressType = "IPv4", endpoints = [], ports = [{ name: "http", protocol: "TCP", port: 8080 }] } = content;
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name,
      namespace,
      generateName: `${service}-`,
      labels: { "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io", "kubernetes.io/service-name": service },
      creationTimestamp: "2026-11-21T18:00:00Z",
      ownerReferences: [{ apiVersion: "v1", kind: "Service", name: service, uid: "0", controller: true, blockOwnerDeletion: true }],
    },
    addressType,
    endpoints,
    ports,
  };
}

/** An endpoint as the controller of Kubernetes writes it. @param state as `kubectl get pods` would tell it */
export function podEndpoint(
  address: string,
  {
    state = "ready",
    zone,
    pod = `pod-${address}`,
    hint,
  }: { state?: "ready" | "starting" | "terminating" | "terminated"; zone?: string; pod?: string; hint?: string } = {},
): EndpointObject {
  return {
    addresses: [address],
    conditions: {
      ready: state === "ready",
      serving: state === "ready" || state === "terminating",
      terminating: state === "terminating" || state === "terminated",
    },
    nodeName: "node-1",
    targetRef: { kind: "Pod", namespace: "shop", name: pod, uid: `uid-${pod}` },
    ...(zone === undefined ? {} : { zone }),
    ...(hint === undefined ? {} : { hints: { forZones: [{ name: hint }] } }),
  };
}
