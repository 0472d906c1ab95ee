/** A finished exchange for telemetry tests: a plain proxied GET, with whatever a test wants different. */
import { RequestHead } from "../../../src/engine/model/request.js";
import type { ExchangeRecord } from "../../../src/proxy/ports.js";

export function exchangeRecord(
  changes: Partial<ExchangeRecord> & { readonly method?: string; readonly headers?: string[] } = {},
): ExchangeRecord {
  const { method = "GET", headers = ["user-agent", "curl/8"], ...rest } = changes;
  const request = new RequestHead(method, "https", "api.example.com", "/orders/1", "token=secret", headers);
  request.host = "api.example.com";
  return {
    requestId: "req-1",
    listenerName: "public",
    request,
    clientAddress: "192.0.2.7",
    routeName: "orders",
    serviceName: "orders-service",
    endpoint: "10.0.0.1:8080",
    principal: null,
    status: 200,
    flag: "",
    errorCode: "",
    errorDetail: "",
    isLocalReply: false,
    attempts: 1,
    requestBytes: 10,
    responseBytes: 200,
    startedAt: 1000,
    attemptStartedAt: 1001,
    upstreamHeadAt: 1003.5,
    completedAt: 1004,
    traceId: "",
    closeCode: 0,
    ...rest,
  };
}
