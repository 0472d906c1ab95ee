/** A filter's view of an exchange, as the proxy gives it, with what the filter did to it. */
import { type Principal, RequestHead } from "../../../src/engine/model/request.js";
import type { FilterContext } from "../../../src/proxy/ports.js";

export interface TestContext extends FilterContext {
  readonly responseHeaders: string[];
}

export interface TestRequest {
  readonly scheme?: "http" | "https";
  readonly authority?: string;
  readonly host?: string;
  readonly path?: string;
  readonly query?: string;
  readonly headers?: readonly string[];
  readonly matchedPath?: string;
  readonly clientAddress?: string;
  readonly principal?: Principal | null;
}

export function createContext(request: TestRequest = {}): TestContext {
  const authority = request.authority ?? "api.example.com";
  const head = new RequestHead("GET", request.scheme ?? "https", authority, request.path ?? "/", request.query, [
    ...(request.headers ?? []),
  ]);
  head.host = request.host ?? authority.replace(/:[0-9]+$/, "");
  const responseHeaders: string[] = [];
  return {
    requestId: "id-1",
    clientAddress: request.clientAddress ?? "192.0.2.1",
    routeName: "orders",
    listenerName: "public",
    matchedPath: request.matchedPath ?? "/",
    request: head,
    principal: request.principal ?? null,
    bodyTransform: null,
    responseHeaders,
    addResponseHeader: (name, value) => responseHeaders.push(name, value),
  };
}
