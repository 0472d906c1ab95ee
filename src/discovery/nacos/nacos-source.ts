/** Endpoints of a service in Nacos, over its open API: asked again and again, for it tells no news over HTTP. */
import type { NacosSourceSpec } from "../../engine/model/endpoint-source.js";
import { askHttp, type HttpAnswer, parseJson } from "../http/ask-http.js";
import { ServersInTurn } from "../http/servers-in-turn.js";
import { createPoller, type PollAnswer } from "../poller.js";
import { joinNotes, type Source, type SourceSink } from "../source.js";
import { NacosAccess } from "./access.js";
import { listUrl } from "./paths.js";
import { readInstances } from "./read-instances.js";

/** Ten thousand instances with metadata are some 10 MiB. */
const MAX_BYTES = 32 * 1024 * 1024;

export function createNacosSource(spec: NacosSourceSpec, sink: SourceSink): Source {
  const servers = new ServersInTurn(spec.urls);
  const access = new NacosAccess(spec);
  async function ask(stop: AbortSignal): Promise<PollAnswer> {
    try {
      const { note, ...answer } = await servers.ask(async (url) => readAnswer(await askAs(access, { url, spec, stop }), spec), stop);
      return { ...answer, remarks: { failure: "", note: joinNotes(note, servers.note) } };
    } catch (error) {
      throw new Error(`Nacos cannot tell ${spec.service} (${(error as Error).message})`, { cause: error });
    }
  }
  return createPoller(ask, sink);
}

interface AskOptions {
  readonly url: string;
  readonly spec: NacosSourceSpec;
  readonly stop: AbortSignal;
}

/** A token may be void before its time: keys change, and servers forget. */
async function askAs(access: NacosAccess, options: AskOptions): Promise<HttpAnswer> {
  const { url, stop } = options;
  const isFresh = await access.prepare(url, stop);
  const answer = await askList(access, options);
  if (!isRefused(answer) || isFresh || !access.forget()) return answer;
  await access.prepare(url, stop);
  return await askList(access, options);
}

function isRefused({ status }: HttpAnswer): boolean {
  return status === 401 || status === 403;
}

async function askList(access: NacosAccess, { url, spec, stop }: AskOptions): Promise<HttpAnswer> {
  return await askHttp(
    {
      url: `${listUrl(url, spec.api)}?${parametersOf(spec)}`,
      tls: spec.tls,
      method: "GET",
      headers: { accept: "application/json", ...access.headers() },
      body: "",
      timeoutMs: spec.timeoutMs,
      maxBytes: MAX_BYTES,
    },
    stop,
  );
}

/** Unhealthy ones too: with `healthyOnly`, `protectThreshold` would have nothing to protect with. */
function parametersOf({ service, group, namespace, clusters }: NacosSourceSpec): URLSearchParams {
  const named = { serviceName: service, groupName: group, namespaceId: namespace, clusters: clusters.join(","), healthyOnly: "false" };
  return new URLSearchParams(Object.entries(named).filter(([, value]) => value !== ""));
}

function readAnswer({ status, text }: HttpAnswer, spec: NacosSourceSpec) {
  if (status !== 200) throw new Error(meaningOf(status, spec));
  const { endpoints, note, cacheMs } = readInstances(parseJson(text), spec);
  return {
    endpoints,
    refreshMs: Math.min(Math.max(cacheMs ?? spec.maxRefreshMs, spec.minRefreshMs), spec.maxRefreshMs),
    note,
  };
}

function meaningOf(status: number, { api, username, accessToken }: NacosSourceSpec): string {
  switch (status) {
    case 400:
      return "does not understand the question (400): look at service, group and namespace";
    case 401:
    case 403:
      if (accessToken !== "") return `refuses accessToken (${status})`;
      return username === "" ? `wants a login (${status})` : `does not let the user read this (${status})`;
    case 404:
    case 410:
      return `does not know its API ${api} (${status}): look at api and the URL`;
    default:
      return `answered ${status}`;
  }
}
