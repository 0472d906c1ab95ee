/**
 * What API servers are asked for: the EndpointSlices of some services as a list, page by page, and then what happens to them. Rejects
 * with a message fit for logs.
 */
import type { IncomingHttpHeaders } from "node:http";
import { askHttp, type HttpQuestion, openHttpStream, parseJson } from "../http/ask-http.js";
import type { ClusterAccess } from "./cluster-access.js";
import { readSliceEvent, readSlicePage, SERVICE_LABEL, type Slice, type SliceEvent } from "./read-objects.js";

export interface SliceQuestion {
  /** Read anew for each request. */
  readonly access: () => Promise<ClusterAccess>;
  /** Of all servers, the one to be asked. */
  readonly serverOf: (urls: readonly string[]) => string;
  /** By name; never empty. */
  readonly services: readonly string[];
}

/** What a server says, as opposed to what happens to a connection. */
export class KubernetesFailure extends Error {
  /** It does not know any more what happened since the `resourceVersion` of a watch. */
  readonly isForgotten: boolean;
  /** That version is of no use any more, for this or another reason. */
  readonly isOutdated: boolean;
  /** The server wants to be left alone for so long. */
  readonly retryAfterMs: number;

  constructor(message: string, { isForgotten = false, isOutdated = false, retryAfterMs = 0 } = {}) {
    super(message);
    this.isForgotten = isForgotten;
    this.isOutdated = isOutdated;
    this.retryAfterMs = retryAfterMs;
  }
}

export interface SliceList {
  readonly slices: readonly Slice[];
  readonly resourceVersion: string;
}

/** A slice has up to 1,000 endpoints of some 400 bytes; usual ones have 100. */
const SLICES_PER_PAGE = 50;
const MAX_PAGE_BYTES = 32 * 1024 * 1024;
const MAX_EVENT_BYTES = 8 * 1024 * 1024;
const MAX_PAGES = 500;
/** Servers that have much to do let questions wait. */
const TIMEOUT_MS = 30_000;

/** All of them at one moment. Without a resourceVersion the answer is never older than the question. */
export async function listSlices(question: SliceQuestion, stop: AbortSignal): Promise<SliceList> {
  // Pages are of the moment of the first; when that is forgotten meanwhile, all begin anew, once.
  return (await listPages(question, stop)) ?? (await listPages(question, stop)) ?? fail(410, "list");
}

/** Null when a page came too late. */
async function listPages(question: SliceQuestion, stop: AbortSignal): Promise<SliceList | null> {
  const slices: Slice[] = [];
  let continueToken = "";
  let endpoints = 0;
  for (let pages = 1; pages <= MAX_PAGES; pages++) {
    const { status, headers, text } = await askHttp(
      await asHttp(question, { limit: String(SLICES_PER_PAGE), continue: continueToken }, MAX_PAGE_BYTES),
      stop,
    );
    if (status === 410 && continueToken !== "") return null;
    if (status !== 200) fail(status, "list", headers);
    const page = readSlicePage(parseJson(text));
    slices.push(...page.slices);
    endpoints += page.slices.reduce((sum, slice) => sum + slice.endpoints.length, 0);
    checkSize(slices.length, endpoints);
    if (page.continueToken === "") return { slices, resourceVersion: page.resourceVersion };
    continueToken = page.continueToken;
  }
  throw new Error(`lists more than ${MAX_PAGES} pages`);
}

/** A hundred services of 5,000 endpoints each. */
const MAX_SLICES = 20_000;
const MAX_ENDPOINTS_IN_ALL = 500_000;

export function checkSize(slices: number, endpoints: number): void {
  if (slices <= MAX_SLICES && endpoints <= MAX_ENDPOINTS_IN_ALL) return;
  const message = `knows more than ${MAX_SLICES} EndpointSlices or ${MAX_ENDPOINTS_IN_ALL} endpoints`;
  throw new KubernetesFailure(message, { isOutdated: true });
}

export interface SliceWatch {
  readonly resourceVersion: string;
  /** After which the server ends it. */
  readonly seconds: number;
  readonly onOpen: () => void;
  /** Never a failure. */
  readonly onEvent: (event: Exclude<SliceEvent, { type: "failure" }>) => void;
}

/** Resolves when it has ended as planned; rejects, as outdated, when the server has forgotten what came after `resourceVersion`. */
export async function watchSlices(question: SliceQuestion, watch: SliceWatch, stop: AbortSignal): Promise<void> {
  const { resourceVersion, seconds } = watch;
  const parameters = { watch: "1", resourceVersion, allowWatchBookmarks: "true", timeoutSeconds: String(seconds) };
  const { status, headers, lines } = await openHttpStream(await asHttp(question, parameters, MAX_EVENT_BYTES), stop);
  if (status !== 200) fail(status, "watch", headers);
  watch.onOpen();
  for await (const line of lines) {
    const event = readLine(line);
    if (event.type === "failure") fail(event.status, "watch", {}, true);
    watch.onEvent(event);
  }
}

/** After something that is not understood nobody knows what was missed. */
function readLine(line: string): SliceEvent {
  try {
    return readSliceEvent(parseJson(line));
  } catch (error) {
    throw new KubernetesFailure((error as Error).message, { isOutdated: true });
  }
}

async function asHttp(
  { access, serverOf, services }: SliceQuestion,
  parameters: Readonly<Record<string, string>>,
  maxBytes: number,
): Promise<HttpQuestion> {
  const { urls, tls, namespace, headers } = await access();
  const named = Object.entries({ labelSelector: selectorOf(services), ...parameters }).filter(([, value]) => value !== "");
  return {
    url: `${serverOf(urls)}/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?${new URLSearchParams(named)}`,
    tls,
    method: "GET",
    headers: { accept: "application/json", ...headers },
    body: "",
    timeoutMs: TIMEOUT_MS,
    maxBytes,
  };
}

function selectorOf(services: readonly string[]): string {
  return services.length === 1 ? `${SERVICE_LABEL}=${services[0]}` : `${SERVICE_LABEL} in (${services.join(",")})`;
}

type Verb = "list" | "watch";

function fail(status: number, verb: Verb, headers: IncomingHttpHeaders = {}, isInStream = false): never {
  const isForgotten = verb === "watch" && status === 410;
  // A status that is about the resourceVersion comes again for the same one.
  const isOutdated = isForgotten || isInStream || (verb === "watch" && status === 400);
  throw new KubernetesFailure(meaningOf(status, verb), { isForgotten, isOutdated, retryAfterMs: retryAfterMsOf(headers) });
}

function meaningOf(status: number, verb: Verb): string {
  switch (status) {
    case 401:
      return "does not accept the token (401)";
    case 403:
      return `does not allow to ${verb} endpointslices (403): a Role needs verbs list and watch for endpointslices of discovery.k8s.io`;
    case 404:
      return "does not know discovery.k8s.io/v1 (404): it is older than Kubernetes 1.21, or the URL is wrong";
    case 410:
      return `has forgotten the state that the ${verb} began with (410)`;
    case 429:
      return "is asked too often (429)";
    default:
      return `answered the ${verb} with ${status}`;
  }
}

const MAX_RETRY_AFTER_SECONDS = 300;

function retryAfterMsOf({ "retry-after": field }: IncomingHttpHeaders): number {
  return field !== undefined && /^\d{1,9}$/.test(field) ? Math.min(Number(field), MAX_RETRY_AFTER_SECONDS) * 1_000 : 0;
}
