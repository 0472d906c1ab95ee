/**
 * What an API server says about EndpointSlices, in JSON → slices and events. Whatever has another shape is refused as a whole; an
 * address that is none of its type is left out and counted.
 */
import { isIPv4, isIPv6 } from "node:net";
import { type Fields, fieldsOf, readHost, readPort } from "../instance-facts.js";

export interface Slice {
  readonly name: string;
  /** That its label names. */
  readonly service: string;
  /** Those of TCP. Null: none are told, so that any may be meant. */
  readonly ports: readonly SlicePort[] | null;
  /** Those that may take traffic. */
  readonly endpoints: readonly SliceEndpoint[];
  /** Endpoints without a usable address. */
  readonly unusable: number;
}

export interface SlicePort {
  readonly name: string;
  /** Null: any. */
  readonly number: number | null;
}

export interface SliceEndpoint {
  readonly host: string;
  readonly isIpv6: boolean;
  /** Else it is terminating, and serves until it ends. */
  readonly isReady: boolean;
  readonly zone: string;
  /** Whose traffic it should take. */
  readonly hintedZones: readonly string[];
  /** "": it is none, or nobody says. */
  readonly pod: string;
  readonly node: string;
}

export interface SlicePage {
  readonly slices: readonly Slice[];
  /** The state of the cluster that the list shows. */
  readonly resourceVersion: string;
  /** Asks for the next page; "": this is the last. */
  readonly continueToken: string;
}

export type SliceEvent =
  | { readonly type: "changed"; readonly slice: Slice; readonly resourceVersion: string }
  | { readonly type: "deleted"; readonly name: string; readonly resourceVersion: string }
  /** Nothing has happened until then. */
  | { readonly type: "bookmark"; readonly resourceVersion: string }
  /** Of HTTP, as it would have been had it been known before. */
  | { readonly type: "failure"; readonly status: number };

export const SERVICE_LABEL = "kubernetes.io/service-name";

export function readSlicePage(answer: unknown): SlicePage {
  const list = fieldsOf(answer);
  if (list?.["kind"] !== "EndpointSliceList") throw notUnderstood();
  const metadata = fieldsOf(list["metadata"]);
  const items = list["items"] ?? [];
  if (!Array.isArray(items)) throw notUnderstood();
  const continueToken = metadata?.["continue"] ?? "";
  if (typeof continueToken !== "string") throw notUnderstood();
  return { slices: (items as readonly unknown[]).map(readSlice), resourceVersion: readVersion(metadata), continueToken };
}

export function readSliceEvent(line: unknown): SliceEvent {
  const { type, object } = fieldsOf(line) ?? {};
  const metadata = fieldsOf(fieldsOf(object)?.["metadata"]);
  switch (type) {
    case "ADDED":
    case "MODIFIED":
      return { type: "changed", slice: readSlice(object), resourceVersion: readVersion(metadata) };
    case "DELETED":
      return { type: "deleted", name: readName(metadata), resourceVersion: readVersion(metadata) };
    case "BOOKMARK":
      return { type: "bookmark", resourceVersion: readVersion(metadata) };
    case "ERROR":
      return { type: "failure", status: readStatus(object) };
    default:
      throw notUnderstood();
  }
}

function notUnderstood(): Error {
  return new Error("answered with something that is not about EndpointSlices");
}

function readStatus(object: unknown): number {
  const status = fieldsOf(object);
  const code = status?.["code"];
  if (status?.["kind"] !== "Status" || !Number.isInteger(code)) throw notUnderstood();
  return code as number;
}

/** Long ones would be somebody's attempt. */
const MAX_VERSION_LENGTH = 1_024;

function readVersion(metadata: Fields | null): string {
  const version = metadata?.["resourceVersion"];
  if (typeof version !== "string" || version === "" || version.length > MAX_VERSION_LENGTH) throw notUnderstood();
  return version;
}

function readName(metadata: Fields | null): string {
  const name = metadata?.["name"];
  if (typeof name !== "string" || name === "") throw notUnderstood();
  return name;
}

function readSlice(object: unknown): Slice {
  const slice = fieldsOf(object);
  const metadata = fieldsOf(slice?.["metadata"]);
  const service = fieldsOf(metadata?.["labels"])?.[SERVICE_LABEL];
  if (slice === null || typeof service !== "string") throw notUnderstood();
  const endpoints = listOf(slice["endpoints"]).map((endpoint) => readEndpoint(endpoint, slice["addressType"]));
  return {
    name: readName(metadata),
    service,
    ports: readPorts(slice["ports"]),
    endpoints: endpoints.filter((endpoint) => endpoint !== null && endpoint !== "unusable"),
    unusable: endpoints.filter((endpoint) => endpoint === "unusable").length,
  };
}

/** Of Go: an empty list may be null, or missing. */
function listOf(value: unknown): readonly unknown[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw notUnderstood();
  return value;
}

function readPorts(value: unknown): readonly SlicePort[] | null {
  const ports = listOf(value).map(readOnePort);
  return ports.length === 0 ? null : ports.filter((port) => port !== null);
}

/** Null when it is not for TCP. */
function readOnePort(value: unknown): SlicePort | null {
  const fields = fieldsOf(value);
  if (fields === null) throw notUnderstood();
  const { name = "", port, protocol = "TCP" } = fields;
  const isOpen = port === null || port === undefined;
  const number = isOpen ? null : readPort(port);
  if (typeof (name ?? "") !== "string" || (number === null && !isOpen)) throw notUnderstood();
  return protocol === "TCP" || protocol === null ? { name: (name ?? "") as string, number } : null;
}

/** Null: it takes no traffic. */
function readEndpoint(value: unknown, addressType: unknown): SliceEndpoint | "unusable" | null {
  const endpoint = fieldsOf(value);
  if (endpoint === null) throw notUnderstood();
  const state = stateOf(fieldsOf(endpoint["conditions"]) ?? {});
  if (state === null) return null;
  // What further addresses would mean is not said anywhere, and nobody uses them.
  const host = readAddress(listOf(endpoint["addresses"])[0], addressType);
  if (host === null) return "unusable";
  const target = fieldsOf(endpoint["targetRef"]);
  return {
    host,
    isIpv6: addressType === "IPv6",
    isReady: state === "ready",
    zone: textOf(endpoint["zone"]),
    hintedZones: listOf(fieldsOf(endpoint["hints"])?.["forZones"])
      .map((zone) => textOf(fieldsOf(zone)?.["name"]))
      .filter((zone) => zone !== ""),
    pod: target?.["kind"] === "Pod" ? textOf(target["name"]) : "",
    node: textOf(endpoint["nodeName"]),
  };
}

/** What is not said means ready, and not terminating; `serving` is `ready` without regard to termination. */
function stateOf({ ready, serving, terminating }: Fields): "ready" | "terminating" | null {
  const isReady = ready !== false;
  if (isReady) return "ready";
  return terminating === true && serving === true ? "terminating" : null;
}

function readAddress(value: unknown, addressType: unknown): string | null {
  const host = readHost(value);
  if (host === null) return null;
  switch (addressType) {
    case "IPv4":
      return isIPv4(host) ? host : null;
    case "IPv6":
      return isIPv6(host) && !host.includes("%") ? host : null;
    case "FQDN":
      return isIPv4(host) || isIPv6(host) ? null : host;
    default:
      throw notUnderstood();
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
