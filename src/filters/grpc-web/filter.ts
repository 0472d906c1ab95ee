/**
 * gRPC-Web (PROTOCOL-WEB.md of gRPC) to gRPC and back: the content type changes, base64 is undone and done in text mode, and
 * trailers, which browsers cannot read, become the last frame of the body.
 */
import { headerValue, setHeader } from "../../engine/model/request.js";
import type { BodyTransform, Filter, FilterContext } from "../../proxy/ports.js";
import { Base64Decoder, encodeBase64 } from "./base64.js";

/** 1: `-text` or nothing; 2: the message format, such as `+proto`, and parameters. */
const GRPC_WEB = /^application\/grpc-web(-text)?(?=$|[+;])(.*)$/i;
const GRPC = /^application\/grpc(?=$|[+;])(.*)$/i;
/** Flag of a frame that holds trailers. */
const TRAILERS_FLAG = 0x80;
const FRAME_HEADER_BYTES = 5;

export function createGrpcWebFilter(): Filter {
  return {
    type: "grpcWeb",
    onRequest(context) {
      const asked = GRPC_WEB.exec(headerValue(context.request.headers, "content-type") ?? "");
      if (asked !== null) beginRequest(context, asked[1] !== undefined, asked[2] as string);
      return null;
    },
    onResponse(context, response) {
      const { bodyTransform } = context;
      if (!(bodyTransform instanceof GrpcWebTransform)) return;
      const format = GRPC.exec(headerValue(response.headers, "content-type") ?? "")?.[1];
      // Whatever else it is, it is not for us to rewrite: clients see it by its type.
      if (format === undefined) return;
      setHeader(response.headers, "content-type", `application/grpc-web${bodyTransform.isText ? "-text" : ""}${format}`);
      bodyTransform.changesResponse = true;
    },
  };
}

function beginRequest(context: FilterContext, isText: boolean, format: string): void {
  const { request } = context;
  setHeader(request.headers, "content-type", `application/grpc${format}`);
  // gRPC asks for both; a browser may not say the one and says the other only as x-grpc-web.
  request.acceptsTrailers = true;
  if (isText && request.bodyLength !== 0) request.bodyLength = -1;
  context.bodyTransform = new GrpcWebTransform(isText);
}

class GrpcWebTransform implements BodyTransform {
  readonly isText: boolean;
  changesResponse = false;
  readonly #decoder: Base64Decoder | null;

  constructor(isText: boolean) {
    this.isText = isText;
    this.#decoder = isText ? new Base64Decoder() : null;
  }

  request(chunk: Uint8Array, isLast: boolean): Uint8Array | null {
    return this.#decoder === null ? chunk : this.#decoder.decode(chunk, isLast);
  }

  response(chunk: Uint8Array): Uint8Array {
    return this.isText ? encodeBase64(chunk) : chunk;
  }

  responseEnd(trailers: readonly string[] | null): Uint8Array {
    const frame = trailersFrame(trailers ?? []);
    return this.isText ? encodeBase64(frame) : frame;
  }
}

function trailersFrame(trailers: readonly string[]): Uint8Array {
  let text = "";
  for (let i = 0; i < trailers.length; i += 2) text += `${trailers[i]}: ${trailers[i + 1]}\r\n`;
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + text.length);
  frame[0] = TRAILERS_FLAG;
  frame.writeUInt32BE(text.length, 1);
  frame.write(text, FRAME_HEADER_BYTES, "latin1");
  return frame;
}
