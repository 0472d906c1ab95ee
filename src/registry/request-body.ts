/** The JSON of a request, bounded; Node's request timeout bounds its time. */
import type { IncomingMessage } from "node:http";
import { type RegistryAnswer, refuse } from "./registry-call.js";

const MAX_BYTES = 16 * 1024;

/** Rejects when the request breaks off. */
export async function readBody(request: IncomingMessage): Promise<{ readonly value: unknown } | RegistryAnswer> {
  if (!/^application\/json *(;|$)/i.test(request.headers["content-type"] ?? "")) return refuse(415, "the body must be application/json");
  if (request.headers["content-encoding"] !== undefined) return refuse(415, "the body must not be encoded");
  const bytes = await readBytes(request);
  if (bytes === null) return refuse(413, `at most ${MAX_BYTES} bytes are read`, { connection: "close" });
  try {
    return { value: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) };
  } catch {
    return refuse(400, "the body is not JSON");
  }
}

/** Null: too many. What follows is thrown away unread, so that the answer arrives. */
function readBytes(request: IncomingMessage): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = Number(request.headers["content-length"] ?? 0) > MAX_BYTES ? MAX_BYTES + 1 : 0;
    const take = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > MAX_BYTES) {
        chunks.length = 0;
        resolve(null);
      } else chunks.push(chunk);
    };
    request.on("data", take);
    request.once("end", () => resolve(Buffer.concat(chunks)));
    request.once("error", reject);
    request.once("close", () => reject(new Error("the request broke off")));
    if (length > MAX_BYTES) resolve(null);
  });
}
