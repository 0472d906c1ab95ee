/** Asks an HTTP service for its health: the status of one answer decides, and its body is not read. */
import { request } from "node:http";
import type { HealthProbe } from "../../engine/model/snapshot.js";
import type { CheckConnection } from "./check.js";
import { http2Request } from "./http2-request.js";

export type HttpProbe = Extract<HealthProbe, { readonly type: "http" }>;

export const USER_AGENT = "windrose-health-check";

export async function checkHttp(connection: CheckConnection, probe: HttpProbe): Promise<string> {
  const status = await (connection.isHttp2 ? statusOverHttp2(connection, probe) : statusOverHttp1(connection, probe));
  const text = `answered with status ${status}`;
  if (probe.statuses.some(({ from, to }) => status >= from && status <= to)) return text;
  throw new Error(text);
}

function statusOverHttp1({ socket, authority }: CheckConnection, { method, path, host }: HttpProbe): Promise<number> {
  const headers = { host: host || authority, "user-agent": USER_AGENT, accept: "*/*", connection: "close" };
  return new Promise((resolve, reject) => {
    const call = request({ method, path, headers, createConnection: () => socket });
    call.on("error", reject);
    call.on("response", (response) => {
      response.on("error", () => undefined);
      resolve(response.statusCode ?? 0);
    });
    call.on("upgrade", () => resolve(101));
    call.end();
  });
}

function statusOverHttp2(connection: CheckConnection, { method, path, host }: HttpProbe): Promise<number> {
  const headers = { ":method": method, ":path": path, "user-agent": USER_AGENT, accept: "*/*" };
  return new Promise((resolve, reject) => {
    const stream = http2Request(connection, { host, headers, reject });
    stream.on("response", ({ ":status": status = 0 }) => resolve(status));
    stream.end();
  });
}
