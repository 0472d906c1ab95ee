/** grpc.health.v1: `Check` with one string field, answered with one enumeration; so little protobuf is read by hand. */
import type { IncomingHttpHeaders } from "node:http2";
import type { HealthProbe } from "../../engine/model/snapshot.js";
import type { CheckConnection } from "./check.js";
import { USER_AGENT } from "./http-check.js";
import { http2Request } from "./http2-request.js";

export type GrpcProbe = Extract<HealthProbe, { readonly type: "grpc" }>;

/** Of HealthCheckResponse.ServingStatus. */
const STATUSES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const SERVING = 1;
const MAX_ANSWER_BYTES = 1024;
const PREFIX_BYTES = 5;

interface GrpcAnswer {
  readonly head: IncomingHttpHeaders & { readonly ":status"?: number | undefined };
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
}

export async function checkGrpc(connection: CheckConnection, { service, host }: GrpcProbe): Promise<string> {
  if (!connection.isHttp2) throw new Error("the service did not agree to HTTP/2");
  const { head, body, trailers } = await call(connection, host, encodeRequest(service));
  if (head[":status"] !== 200) throw new Error(`answered with HTTP status ${head[":status"] ?? 0}`);
  // An answer without a message has its status in the only header block.
  const status = trailers["grpc-status"] ?? head["grpc-status"];
  if (status === undefined) throw new Error("answered without a gRPC status");
  if (status !== "0") throw new Error(`answered with gRPC status ${status}`);
  const serving = decodeAnswer(body);
  const text = `answered ${STATUSES[serving] ?? serving}`;
  if (serving !== SERVING) throw new Error(text);
  return text;
}

function call(connection: CheckConnection, host: string, message: Buffer): Promise<GrpcAnswer> {
  const headers = {
    ":method": "POST",
    ":path": "/grpc.health.v1.Health/Check",
    "content-type": "application/grpc",
    te: "trailers",
    "user-agent": USER_AGENT,
  };
  return new Promise((resolve, reject) => {
    const stream = http2Request(connection, { host, headers, reject });
    const chunks: Buffer[] = [];
    let bytes = 0;
    let head: GrpcAnswer["head"] = {};
    let trailers: IncomingHttpHeaders = {};
    stream.on("response", (received) => {
      head = received;
    });
    stream.on("trailers", (received) => {
      trailers = received;
    });
    stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) reject(new Error("answered with more than a health status"));
      else chunks.push(chunk);
    });
    stream.on("end", () => resolve({ head, body: Buffer.concat(chunks), trailers }));
    stream.end(message);
  });
}

/** Field 1, a string; the length of the name fits two bytes of a varint. */
export function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service, "utf8");
  const length = name.length < 128 ? [name.length] : [(name.length & 127) | 128, name.length >> 7];
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, ...length]), name]);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Field 1, a varint of one byte; left out when it is 0. Throws when it is anything else. */
export function decodeAnswer(body: Buffer): number {
  if (body.length < PREFIX_BYTES || body[0] !== 0 || body.readUInt32BE(1) !== body.length - PREFIX_BYTES) {
    throw new Error("answered with something that is not one plain gRPC message");
  }
  const message = body.subarray(PREFIX_BYTES);
  if (message.length === 0) return 0;
  const [tag, status] = message;
  if (tag !== 0x08 || status === undefined || status > 127) throw new Error("answered with something that is not a health status");
  return status;
}
