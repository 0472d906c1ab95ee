/**
 * A stand-in for a Nacos server, for where Nacos itself cannot run: lists of instances over all versions of its open API, logins
 * with tokens that end, and ways to break it. Binds a free port of 127.0.0.1.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type MoodyServer, refuse, startMoodyServer } from "./moody-server.js";

export interface NacosInstance {
  readonly ip: string;
  readonly port: number;
  readonly weight?: number;
  readonly healthy?: boolean;
  readonly enabled?: boolean;
  readonly clusterName?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface Nacos extends MoodyServer {
  /** Parameters of lists that were asked for. */
  readonly questions: readonly URLSearchParams[];
  logins(): number;
  set(service: string, instances: readonly NacosInstance[]): void;
  /** As after its key has changed: no token is valid any more. */
  forgetTokens(): void;
}

export interface NacosOptions {
  /** Who may read; none: everybody. */
  readonly user?: { readonly name: string; readonly password: string };
  readonly tokenTtlSeconds?: number;
  readonly cacheMillis?: number;
  /** With fewer healthy ones than this share, all are told as healthy. */
  readonly protectThreshold?: number;
}

const GROUP = "DEFAULT_GROUP";
const LISTS = ["/nacos/v1/ns/instance/list", "/nacos/v2/ns/instance/list", "/nacos/v3/client/ns/instance/list"];
const LOGINS = ["/nacos/v1/auth/login", "/nacos/v3/auth/user/login"];

export async function startNacos(options: NacosOptions = {}): Promise<Nacos> {
  const { user, tokenTtlSeconds = 18_000 } = options;
  const services = new Map<string, readonly NacosInstance[]>();
  const questions: URLSearchParams[] = [];
  const tokens = new Set<string>();
  let logins = 0;

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "", "http://nacos");
    if (request.method === "POST" && LOGINS.includes(url.pathname)) return login(request, response);
    const version = LISTS.indexOf(url.pathname) + 1;
    if (version === 0) return refuse(response, 404, "No endpoint");
    const token = String(request.headers.authorization ?? "").replace("Bearer ", "");
    if (user !== undefined && !tokens.has(token)) return refuse(response, 403, token === "" ? "user not found!" : "token invalid!");
    questions.push(url.searchParams);
    json(response, listOf(version, url.searchParams));
  }

  function login(request: IncomingMessage, response: ServerResponse): void {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    request.on("end", () => {
      const form = new URLSearchParams(body);
      logins++;
      if (form.get("username") !== user?.name || form.get("password") !== user?.password) return refuse(response, 403, "unknown user!");
      const accessToken = `token-${logins}`;
      tokens.add(accessToken);
      json(response, { accessToken, tokenTtl: tokenTtlSeconds, globalAdmin: false, username: user?.name });
    });
  }

  function listOf(version: number, parameters: URLSearchParams): unknown {
    const name = parameters.get("serviceName") as string;
    const group = parameters.get("groupName") ?? GROUP;
    const clusters = (parameters.get("clusters") ?? "").split(",").filter((cluster) => cluster !== "");
    const found = group === GROUP ? (services.get(name) ?? []) : [];
    const all = found.filter(({ clusterName = "DEFAULT" }) => clusters.length === 0 || clusters.includes(clusterName));
    const healthy = all.filter((instance) => instance.healthy !== false);
    const isProtected = all.length > 0 && healthy.length / all.length <= (options.protectThreshold ?? 0);
    const hosts = all.map((instance) => describe(name, isProtected ? { ...instance, healthy: true } : instance));
    if (version === 3) return { code: 0, message: "success", data: hosts };
    const info = {
      ...{ name: `${group}@@${name}`, groupName: group, clusters: clusters.join(","), cacheMillis: options.cacheMillis ?? 10_000, hosts },
      ...{ lastRefTime: Date.now(), checksum: "", allIPs: false, reachProtectionThreshold: isProtected, valid: true },
    };
    return version === 1 ? info : { code: 0, message: "success", data: info };
  }

  const { server } = await startMoodyServer(answer);
  return {
    ...server,
    questions,
    logins: () => logins,
    set: (service, instances) => void services.set(service, instances),
    forgetTokens: () => tokens.clear(),
  };
}

function describe(service: string, { ip, port, clusterName = "DEFAULT", ...rest }: NacosInstance): unknown {
  return {
    ...{ instanceId: `${ip}#${port}#${clusterName}#${GROUP}@@${service}`, ip, port, weight: 1, healthy: true, enabled: true },
    ...{ ephemeral: true, clusterName, serviceName: `${GROUP}@@${service}`, metadata: {} },
    ...{ instanceHeartBeatInterval: 5_000, instanceHeartBeatTimeOut: 15_000, ipDeleteTimeout: 30_000 },
    ...rest,
  };
}

function json(response: ServerResponse, content: unknown): void {
  response.writeHead(200, { "content-type": "application/json;charset=UTF-8" }).end(JSON.stringify(content));
}
