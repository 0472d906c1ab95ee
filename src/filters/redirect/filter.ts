/** Answers with a redirect to an absolute address made of the route's settings and the normalised request. */
import { type Filter, type FilterContext, refuse, respondWith } from "../../proxy/ports.js";
import type { RedirectConfig } from "./schema.js";

const WELL_KNOWN_PORT = { http: 80, https: 443 } as const;
/** Names (with `_`, as some internal ones have), IPv4 and bracketed IPv6: nothing that could end or reroute the address. */
const PLAIN_HOST = /^(?:[a-z0-9_](?:[a-z0-9._-]{0,252})|\[[0-9a-f:.]{2,45}\])$/;
/** Everything that is neither unreserved, reserved nor `%` (RFC 3986 §2): never sent as it is. */
const UNSAFE = /[^!$%&'()*+,\-./0-9:;=?@A-Z[\]_a-z~]/g;

export function createRedirectFilter(config: RedirectConfig): Filter {
  return {
    type: "redirect",
    onRequest(context) {
      const host = config.hostname ?? context.request.host;
      if (!PLAIN_HOST.test(host)) return refuse("bad-request", "the request names no host to redirect to");
      const scheme = config.scheme ?? context.request.scheme;
      const port = targetPort(config, context);
      const authority = port === 0 || port === WELL_KNOWN_PORT[scheme] ? host : `${host}:${port}`;
      const query = context.request.query === undefined ? "" : `?${context.request.query}`;
      const location = `${scheme}://${authority}${escapeUnsafe(targetPath(config, context) + query)}`;
      return respondWith(config.statusCode, ["location", location], "");
    },
  };
}

/** 0: the scheme's own. A new scheme without a port means its well-known one, as in the Gateway API. */
function targetPort(config: RedirectConfig, context: FilterContext): number {
  if (config.port !== undefined) return config.port;
  if (config.scheme !== undefined) return 0;
  const digits = /:([0-9]{1,5})$/.exec(context.request.authority)?.[1];
  const port = digits === undefined ? 0 : Number(digits);
  return port <= 65535 ? port : 0;
}

function targetPath(config: RedirectConfig, context: FilterContext): string {
  const path = context.request.path.startsWith("/") ? context.request.path : "/";
  if (config.path === undefined) return path;
  if (config.path.type === "ReplaceFullPath") return config.path.value;
  return replacePrefix(path, context.matchedPath, config.path.value);
}

function replacePrefix(path: string, matched: string, value: string): string {
  const prefix = matched.endsWith("/") ? matched.slice(0, -1) : matched;
  const rest = path.startsWith(prefix) ? path.slice(prefix.length) : path;
  if (rest === "") return value;
  return (value.endsWith("/") ? value.slice(0, -1) : value) + rest;
}

function escapeUnsafe(text: string): string {
  return text.replace(UNSAFE, (char) => {
    const code = char.charCodeAt(0);
    // Parts of a request are bytes; anything above cannot come from one.
    return code > 0xff ? "" : `%${code.toString(16).toUpperCase().padStart(2, "0")}`;
  });
}
