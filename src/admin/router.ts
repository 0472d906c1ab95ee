/** From method and path to an endpoint. Paths are compared as they were sent: no dots, doubled slashes or escapes are resolved. */
import type { Endpoint } from "./endpoint.js";

export type Found =
  | { readonly kind: "endpoint"; readonly endpoint: Endpoint; readonly parameters: Readonly<Record<string, string>> }
  /** The path is known, with other methods. */
  | { readonly kind: "method"; readonly allow: readonly string[] }
  | { readonly kind: "none" };

export type Router = (method: string, path: string) => Found;

/** What may stand for a `{parameter}`, by its name. */
const PARAMETERS: Readonly<Record<string, { readonly pattern: string; readonly about: string }>> = {
  service: { pattern: "[A-Za-z0-9._-]{1,63}", about: "Name of a service." },
  /** Nothing else needs an escape. */
  address: { pattern: "(?:[A-Za-z0-9._:\\[\\]-]|%3[Aa]|%5[BbDd]){1,300}", about: "host:port of an endpoint; IPv6 in brackets." },
};

const VERSION = {
  pattern: "[A-Za-z0-9._~-]{1,64}",
  about: "A version, a unique beginning of one (at least 4 digits), a sequence, latest, or latest~1 for the one before it.",
};

export function parameterOf(name: string): { readonly pattern: string; readonly about: string } {
  return PARAMETERS[name] ?? VERSION;
}

export function createRouter(endpoints: readonly Endpoint[]): Router {
  const patterns = endpoints.map((endpoint) => ({ endpoint, pattern: patternOf(endpoint.path) }));
  return (method, path) => {
    // HEAD is GET without its body.
    const wanted = method === "HEAD" ? "GET" : method;
    const matches = patterns.flatMap(({ endpoint, pattern }) => {
      const found = pattern.exec(path);
      return found === null ? [] : [{ kind: "endpoint" as const, endpoint, parameters: { ...found.groups } }];
    });
    if (matches.length === 0) return { kind: "none" };
    return matches.find(({ endpoint }) => endpoint.method === wanted) ?? { kind: "method", allow: methodsOf(matches) };
  };
}

/** @param path `/v1/versions/{id}` */
function patternOf(path: string): RegExp {
  const source = path.replace(/[.]/g, "\\.").replace(/\{(\w+)\}/g, (_, name: string) => `(?<${name}>${parameterOf(name).pattern})`);
  return new RegExp(`^${source}$`);
}

function methodsOf(matches: readonly { readonly endpoint: Endpoint }[]): string[] {
  return matches.flatMap(({ endpoint }) => (endpoint.method === "GET" ? ["GET", "HEAD"] : [endpoint.method]));
}
