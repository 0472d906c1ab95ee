/**
 * A conversation with Consul's health API: a first question that is answered at once, then one after another that is held back
 * until there is news (a blocking query). A server that breaks off is followed by the next; it ends when none answers.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { ConsulSourceSpec } from "../../engine/model/endpoint-source.js";
import type { Follow } from "../follower.js";
import { askHttp, type HttpAnswer, parseJson } from "../http/ask-http.js";
import { ServersInTurn } from "../http/servers-in-turn.js";
import { joinNotes } from "../source.js";
import { FIRST_INDEX, nextIndex, nextPauseMs, readIndex, SHORTEST_PAUSE_MS } from "./blocking.js";
import { readInstances } from "./read-instances.js";

export interface HealthQuestion {
  /** "": that of the server. */
  readonly datacenter: string;
  /** Of what is found there. */
  readonly priority: number;
}

/** Ten thousand instances with checks and metadata are some 20 MiB. */
const MAX_BYTES = 32 * 1024 * 1024;

export function followHealth(spec: ConsulSourceSpec, question: HealthQuestion): Follow {
  const servers = new ServersInTurn(spec.urls);
  const where = question.datacenter === "" ? "" : ` in ${question.datacenter}`;

  return async (found, stop) => {
    const ask = (url: string, index: bigint) => askHealth(url, index, { spec, question, stop });
    const askAnew = async () => {
      try {
        return await servers.ask((url) => ask(url, FIRST_INDEX), stop);
      } catch (error) {
        throw new Error(`Consul cannot tell ${spec.service}${where} (${(error as Error).message})`, { cause: error });
      }
    };
    let answer = await askAnew();
    let index = nextIndex(FIRST_INDEX, answer.index);
    let pauseMs = SHORTEST_PAUSE_MS;
    for (;;) {
      found(answer.endpoints, { failure: "", note: joinNotes(answer.note, servers.note) });
      await pause(pauseMs, undefined, { signal: stop, ref: false });
      const askedAt = performance.now();
      try {
        answer = await ask(servers.current, index);
        servers.answered();
        index = nextIndex(index, answer.index);
      } catch (error) {
        if (stop.aborted) throw error;
        servers.passOver(error);
        answer = await askAnew();
        index = nextIndex(FIRST_INDEX, answer.index);
      }
      pauseMs = nextPauseMs(pauseMs, performance.now() - askedAt);
    }
  };
}

interface AskOptions {
  readonly spec: ConsulSourceSpec;
  readonly question: HealthQuestion;
  readonly stop: AbortSignal;
}

async function askHealth(url: string, index: bigint, { spec, question, stop }: AskOptions) {
  // Servers add up to a sixteenth to the wait, so that not all answer together.
  const heldBackMs = index === FIRST_INDEX ? 0 : Math.ceil(spec.waitMs * (1 + 1 / 16));
  const answer = await askHttp(
    {
      url: `${url}/v1/health/service/${encodeURIComponent(spec.service)}?${parametersOf(spec, question, index)}`,
      tls: spec.tls,
      method: "GET",
      headers: { accept: "application/json", ...(spec.token === "" ? {} : { "x-consul-token": spec.token }) },
      body: "",
      timeoutMs: heldBackMs + spec.timeoutMs,
      maxBytes: MAX_BYTES,
    },
    stop,
  );
  return readAnswer(answer, spec, question);
}

function parametersOf(spec: ConsulSourceSpec, { datacenter }: HealthQuestion, index: bigint): URLSearchParams {
  const { tags, filter, namespace, partition, consistency, waitMs } = spec;
  const named = { dc: datacenter, filter, ns: namespace, partition };
  const parameters = new URLSearchParams(Object.entries(named).filter(([, value]) => value !== ""));
  for (const tag of tags) parameters.append("tag", tag);
  if (spec.isPassingOnly) parameters.set("passing", "1");
  if (consistency !== "default") parameters.set(consistency, "1");
  if (index === FIRST_INDEX) return parameters;
  parameters.set("index", String(index));
  parameters.set("wait", `${waitMs}ms`);
  return parameters;
}

function readAnswer({ status, headers, text }: HttpAnswer, spec: ConsulSourceSpec, { priority }: HealthQuestion) {
  if (status !== 200) throw new Error(meaningOf(status, spec));
  const index = readIndex(headers["x-consul-index"]);
  // A list without an index comes from something else than Consul, or from a proxy that hides what must be known.
  if (index === null) throw new Error("answered without X-Consul-Index");
  // Servers that are cut off may have been so for long, or have just begun with nothing.
  if (headers["x-consul-knownleader"] === "false") throw new Error("knows no leader, so what it says may be old");
  const { endpoints, note } = readInstances(parseJson(text), { ...spec, priority });
  const isFiltered = headers["x-consul-results-filtered-by-acls"] === "true";
  if (isFiltered && endpoints.length === 0) throw new Error("its token may not see the instances: it needs service:read and node:read");
  const filtered = isFiltered ? "the token may not see all instances in Consul" : "";
  return { index, endpoints, note: joinNotes(note, filtered) };
}

function meaningOf(status: number, { token }: ConsulSourceSpec): string {
  switch (status) {
    case 400:
      return "does not understand the question (400): look at filter, namespace and partition";
    case 403:
      return token === "" ? "wants a token (403)" : "refuses the token (403)";
    case 404:
      return "does not know the health API (404): is the URL right?";
    case 429:
      return "is asked too often (429)";
    case 500:
      return "cannot answer (500): it has no leader, or there is no way to the datacentre";
    default:
      return `answered ${status}`;
  }
}
