/** One request on one HTTP/2 connection, which ends with the check's socket. */
import { type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from "node:http2";
import type { CheckConnection } from "./check.js";

export interface Http2Request {
  /** "": the endpoint's own. */
  readonly host: string;
  readonly headers: OutgoingHttpHeaders;
  readonly reject: (error: Error) => void;
}

export function http2Request({ socket, authority, isTls }: CheckConnection, { host, headers, reject }: Http2Request): ClientHttp2Stream {
  const scheme = isTls ? "https" : "http";
  const session = connect(`${scheme}://${authority}`, { createConnection: () => socket });
  session.on("error", reject);
  session.on("goaway", (code) => {
    if (code !== 0) reject(new Error(`the service ended the connection with HTTP/2 error ${code}`));
  });
  const stream = session.request({ ":scheme": scheme, ":authority": host || authority, ...headers });
  stream.on("error", reject);
  stream.on("close", () => reject(new Error("the stream was closed without an answer")));
  socket.once("close", () => session.destroy());
  return stream;
}
