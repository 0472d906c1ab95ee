/** A service shaped like gRPC on node:http2, without a library in the way: `node grpc-service.js PORT`. Answers every call that is whole. */
import { createServer, type ServerHttp2Stream } from "node:http2";
import { GRPC_MESSAGE } from "./fixtures.js";

const HEAD = { ":status": 200, "content-type": "application/grpc" };
const TRAILERS = { "grpc-status": "0", "grpc-message": "" };
const FAILED = { ...HEAD, "grpc-status": "3", "grpc-message": "the message is not whole" };

function serve(stream: ServerHttp2Stream): void {
  let bytes = 0;
  stream.on("error", () => stream.destroy());
  stream.on("data", (chunk: Buffer) => (bytes += chunk.length));
  stream.on("end", () => {
    if (bytes === GRPC_MESSAGE.length) answer(stream);
    else stream.respond(FAILED, { endStream: true });
  });
}

function answer(stream: ServerHttp2Stream): void {
  stream.respond(HEAD, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(TRAILERS));
  stream.end(GRPC_MESSAGE);
}

const server = createServer();
server.on("stream", serve);
server.on("session", (session) => session.on("error", () => session.destroy()));
server.listen(Number(process.argv[2]), "127.0.0.1");
