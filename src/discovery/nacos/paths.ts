/** Where the versions of Nacos' open API are: v1 on servers 0.8 to 2, v2 on 2.2 and later ones of 2, v3 on 3. */
import type { NacosApi } from "../../engine/model/endpoint-source.js";

const LISTS = { v1: "/v1/ns/instance/list", v2: "/v2/ns/instance/list", v3: "/v3/client/ns/instance/list" } as const;
const LOGINS = { v1: "/v1/auth/login", v2: "/v1/auth/login", v3: "/v3/auth/user/login" } as const;

export function listUrl(url: string, api: NacosApi): string {
  return baseOf(url) + LISTS[api];
}

export function loginUrl(url: string, api: NacosApi): string {
  return baseOf(url) + LOGINS[api];
}

/** It lives under `/nacos` unless it was told otherwise. */
function baseOf(url: string): string {
  return new URL(url).pathname === "/" ? `${url}/nacos` : url;
}
