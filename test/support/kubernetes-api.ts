/**
 * Stands in for a Kubernetes API server, which cannot run here: TLS, bearer tokens, RBAC, discovery, lists in pages, watches with
 * bookmarks; what it answers is told the way kube-apiserver does, and `kubectl` understands it (kubernetes-kubectl.test.ts).
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { developmentCertificates } from "./certificates.js";
import { KubernetesStore, type Matches } from "./kubernetes-store.js";

export interface RbacRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

export interface ApiRequest {
  readonly verb: "list" | "watch";
  readonly namespace: string;
  readonly parameters: URLSearchParams;
  readonly atMs: number;
}

/** `silent`: connections are accepted, and nothing is answered or told. */
export type ApiMood = "well" | "silent" | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string };

export interface KubernetesApi {
  readonly url: string;
  readonly caPem: string;
  readonly store: KubernetesStore;
  /** Those it accepts. */
  readonly tokens: Set<string>;
  /** Of a Role in every namespace. */
  rules: readonly RbacRule[];
  mood: ApiMood;
  /** Of watches alone. */
  watchMood: ApiMood;
  /** How it tells that a version is forgotten: kube-apiserver does so within the watch, others by the status, some not at all. */
  forgottenAs: "event" | "status" | "empty";
  readonly requests: ApiRequest[];
  watches(): number;
  bookmark(): void;
  /** A clean end, as after timeoutSeconds. */
  endWatches(): void;
  /** @param text that is sent before, without what would follow */
  cutWatches(text?: string): void;
  /** As a line of every watch. */
  say(line: string): void;
  /** Breaks all connections; the port stays its own. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

interface Watch {
  readonly response: ServerResponse;
  readonly matches: Matches;
  readonly hasBookmarks: boolean;
  version: number;
}

const GROUP = "discovery.k8s.io";
const SLICES = /^\/apis\/discovery\.k8s\.io\/v1\/namespaces\/([^/]+)\/endpointslices$/;
const ALL_RULES: readonly RbacRule[] = [{ apiGroups: [GROUP], resources: ["endpointslices"], verbs: ["get", "list", "watch"] }];

export async function startKubernetesApi(): Promise<KubernetesApi> {
  const certificates = await developmentCertificates();
  const server = createServer({ cert: certificates["edge.pem"], key: certificates["edge-key.pem"] });
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const watches = new Set<Watch>();
  const store = new KubernetesStore();
  const listen = (port: number): Promise<void> => new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const api: KubernetesApi = {
    url: `https://127.0.0.1:${port}`,
    caPem: certificates["ca.pem"],
    store,
    tokens: new Set(["a-token-of-the-gateway"]),
    rules: ALL_RULES,
    mood: "well",
    watchMood: "well",
    forgottenAs: "event",
    requests: [],
    watches: () => watches.size,
    bookmark: () => each(watches, (watch) => sendBookmark(watch, store.version)),
    endWatches: () => takeAll(watches, ({ response }) => response.end()),
    cutWatches: (text = "") =>
      takeAll(watches, ({ response }) => {
        const { socket } = response;
        if (text === "") socket?.destroy();
        else response.write(text, () => setImmediate(() => socket?.destroy()));
      }),
    say: (line) => each(watches, ({ response }) => response.write(`${line}\n`)),
    async stop() {
      if (!server.listening) return;
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    start: () => listen(port),
  };
  store.onWrite = () => {
    if (api.mood !== "silent") each(watches, (watch) => advance(watch, store));
  };
  server.on("request", (request: IncomingMessage, response: ServerResponse) => answer(request, response, { api, watches }));
  return api;
}

function each(watches: ReadonlySet<Watch>, act: (watch: Watch) => void): void {
  for (const watch of [...watches]) act(watch);
}

/** Nothing is told to them afterwards. */
function takeAll(watches: Set<Watch>, act: (watch: Watch) => void): void {
  const all = [...watches];
  watches.clear();
  for (const watch of all) act(watch);
}

interface Context {
  readonly api: KubernetesApi;
  readonly watches: Set<Watch>;
}

function answer(request: IncomingMessage, response: ServerResponse, context: Context): void {
  const { api } = context;
  request.resume();
  const url = new URL(request.url ?? "/", api.url);
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
  const [, namespace] = SLICES.exec(url.pathname) ?? [];
  const verb = ["1", "true"].includes(url.searchParams.get("watch") ?? "") ? "watch" : "list";
  if (namespace !== undefined) api.requests.push({ verb, namespace, parameters: url.searchParams, atMs: performance.now() });
  const mood = verb === "watch" && api.mood === "well" ? api.watchMood : api.mood;
  if (mood === "silent") return;
  if (mood !== "well") return void response.writeHead(mood.status, mood.headers).end(mood.body);
  if (!api.tokens.has(token)) return sendStatus(response, 401, "Unauthorized", "Unauthorized");
  if (namespace === undefined) return sendDiscovery(response, url.pathname);
  if (!isAllowed(api.rules, verb)) {
    const what = `cannot ${verb} resource "endpointslices" in API group "${GROUP}" in the namespace "${namespace}"`;
    return sendStatus(
      response,
      403,
      "Forbidden",
      `endpointslices.${GROUP} is forbidden: User "system:serviceaccount:shop:windrose" ${what}`,
    );
  }
  const isSelected = selectorOf(url.searchParams.get("labelSelector") ?? "");
  const matches: Matches = (slice) => slice.metadata.namespace === namespace && isSelected(slice);
  if (verb === "list") list(response, url.searchParams, { api, matches });
  else watch(response, url.searchParams, { ...context, matches });
}

function isAllowed(rules: readonly RbacRule[], verb: string): boolean {
  return rules.some(
    ({ apiGroups, resources, verbs }) => apiGroups.includes(GROUP) && resources.includes("endpointslices") && verbs.includes(verb),
  );
}

/** `a=b` and `a in (b,c)`. */
function selectorOf(text: string): Matches {
  if (text === "") return () => true;
  const [, label = "", one, many] = /^([\w./-]+)(?:=([\w.-]*)| in \(([\w.,-]*)\))$/.exec(text) ?? [];
  if (label === "") throw new Error(`a selector that the stand-in does not know: ${text}`);
  const values = new Set(one === undefined ? (many ?? "").split(",") : [one]);
  return (slice) => values.has(slice.metadata.labels[label] ?? "\0");
}

function list(response: ServerResponse, parameters: URLSearchParams, { api, matches }: { api: KubernetesApi; matches: Matches }): void {
  const page = api.store.list(matches, Number(parameters.get("limit") ?? "0"), parameters.get("continue") ?? "");
  if (page === null) {
    const message = "The provided continue parameter is too old to display a consistent list result.";
    return sendStatus(response, 410, "Expired", message);
  }
  const metadata = { resourceVersion: String(page.version), ...(page.continueToken === "" ? {} : { continue: page.continueToken }) };
  send(response, 200, { kind: "EndpointSliceList", apiVersion: "discovery.k8s.io/v1", metadata, items: page.items });
}

function watch(response: ServerResponse, parameters: URLSearchParams, { api, watches, matches }: Context & { matches: Matches }): void {
  const version = Number(parameters.get("resourceVersion") ?? "");
  const hasBookmarks = parameters.get("allowWatchBookmarks") === "true";
  const isForgotten = api.store.since(version, matches) === null;
  const message = `too old resource version: ${version} (${api.store.version})`;
  if (isForgotten && api.forgottenAs === "status") return sendStatus(response, 410, "Expired", message);
  response.writeHead(200, { "content-type": "application/json" });
  response.flushHeaders();
  if (isForgotten) {
    if (api.forgottenAs === "event") response.write(`${JSON.stringify({ type: "ERROR", object: statusOf(410, "Expired", message) })}\n`);
    return void response.end();
  }
  const opened: Watch = { response, matches, hasBookmarks, version };
  watches.add(opened);
  const end = setTimeout(
    () => {
      if (api.mood === "silent" || !watches.has(opened)) return;
      sendBookmark(opened, api.store.version);
      response.end();
    },
    Number(parameters.get("timeoutSeconds") ?? "1800") * 1_000,
  ).unref();
  response.once("close", () => {
    clearTimeout(end);
    watches.delete(opened);
  });
  advance(opened, api.store);
}

function advance(watch: Watch, store: KubernetesStore): void {
  for (const { type, object } of store.since(watch.version, watch.matches) ?? [])
    watch.response.write(`${JSON.stringify({ type, object })}\n`);
  watch.version = store.version;
}

function sendBookmark({ response, hasBookmarks }: Watch, version: number): void {
  if (!hasBookmarks) return;
  const metadata = { resourceVersion: String(version), creationTimestamp: null };
  const object = { kind: "EndpointSlice", apiVersion: "discovery.k8s.io/v1", metadata, addressType: "", endpoints: null, ports: null };
  response.write(`${JSON.stringify({ type: "BOOKMARK", object })}\n`);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function statusOf(code: number, reason: string, message: string): object {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code };
}

function sendStatus(response: ServerResponse, code: number, reason: string, message: string): void {
  send(response, code, statusOf(code, reason, message));
}

const VERSION = { groupVersion: `${GROUP}/v1`, version: "v1" };
const DISCOVERY: Readonly<Record<string, object>> = {
  "/version": { major: "1", minor: "32", gitVersion: "v1.32.0" },
  "/api": { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] },
  "/api/v1": { kind: "APIResourceList", groupVersion: "v1", resources: [] },
  "/apis": { kind: "APIGroupList", apiVersion: "v1", groups: [{ name: GROUP, versions: [VERSION], preferredVersion: VERSION }] },
  [`/apis/${GROUP}/v1`]: {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: VERSION.groupVersion,
    resources: [
      { name: "endpointslices", singularName: "endpointslice", namespaced: true, kind: "EndpointSlice", verbs: ["get", "list", "watch"] },
    ],
  },
};

function sendDiscovery(response: ServerResponse, path: string): void {
  const found = DISCOVERY[path];
  if (found === undefined) sendStatus(response, 404, "NotFound", "the server could not find the requested resource");
  else send(response, 200, found);
}
