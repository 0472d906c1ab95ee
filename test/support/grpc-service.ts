/** A gRPC service on @grpc/grpc-js whose messages are plain bytes, so that no protocol files are needed. Package and service: test.Echo. */
import * as grpc from "@grpc/grpc-js";

export interface GrpcService {
  readonly port: number;
  readonly address: string;
  /** Calls that their client has given up. */
  cancelled(): number;
  /** Messages that the `flood` method has been able to write. */
  flooded(): number;
  close(): void;
}

const bytes = (value: Buffer): Buffer => value;
const codec = { requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes };

function method(name: string, requestStream: boolean, responseStream: boolean): grpc.MethodDefinition<Buffer, Buffer> {
  return { path: `/test.Echo/${name}`, requestStream, responseStream, ...codec };
}

export const ECHO_SERVICE = {
  unary: method("unary", false, false),
  collect: method("collect", true, false),
  repeat: method("repeat", false, true),
  chat: method("chat", true, true),
  fail: method("fail", false, false),
  never: method("never", false, false),
  flood: method("flood", false, true),
};

const FLOOD_MESSAGES = 2_000;
const FLOOD_BYTES = 16_384;

export async function startGrpcService(options: grpc.ChannelOptions = {}): Promise<GrpcService> {
  const server = new grpc.Server(options);
  let cancelled = 0;
  let flooded = 0;
  server.addService(ECHO_SERVICE, {
    unary: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
      const metadata = new grpc.Metadata();
      metadata.set("x-trailer", "t");
      call.sendMetadata(headersOf(call.metadata));
      done(null, call.request, metadata);
    },
    collect: (call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
      const parts: Buffer[] = [];
      call.on("data", (part: Buffer) => parts.push(part));
      call.on("end", () => done(null, Buffer.concat(parts)));
    },
    repeat: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      for (let i = 0; i < 5; i++) call.write(Buffer.from(`${call.request}${i}`));
      call.end();
    },
    chat: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      call.on("data", (part: Buffer) => call.write(Buffer.from(`<${part}>`)));
      call.on("end", () => call.end());
    },
    fail: (_call: unknown, done: grpc.sendUnaryData<Buffer>) => done({ code: grpc.status.FAILED_PRECONDITION, details: "not now, é" }),
    never: (call: grpc.ServerUnaryCall<Buffer, Buffer>) => {
      call.on("cancelled", () => cancelled++);
    },
    flood: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      const more = (): void => {
        while (flooded < FLOOD_MESSAGES) {
          flooded++;
          if (!call.write(Buffer.alloc(FLOOD_BYTES))) return void call.once("drain", more);
        }
        call.end();
      };
      flooded = 0;
      more();
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return {
    port,
    address: `127.0.0.1:${port}`,
    cancelled: () => cancelled,
    flooded: () => flooded,
    close: () => server.forceShutdown(),
  };
}

function headersOf(metadata: grpc.Metadata): grpc.Metadata {
  const headers = new grpc.Metadata();
  headers.set("x-asked", String(metadata.get("x-ask")[0] ?? ""));
  return headers;
}

/** A message as it travels (Length-Prefixed-Message of the gRPC protocol). */
export function grpcMessage(text: string): Buffer {
  const body = Buffer.from(text);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}

/** The texts of whole messages. */
export function grpcTexts(body: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at < body.length; at += 5 + body.readUInt32BE(at + 1)) {
    texts.push(body.toString("utf8", at + 5, at + 5 + body.readUInt32BE(at + 1)));
  }
  return texts;
}
