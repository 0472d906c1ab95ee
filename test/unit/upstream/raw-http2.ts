/** An HTTP/2 service that does what a test says, frame by frame, whether or not it is HTTP/2. */
import type { Socket } from "node:net";
import * as frame from "../../../src/wire/http2/frame-types.js";
import * as raw from "../wire/http2/raw-frames.js";
import type { RawServer } from "./support.js";
import { startRawServer } from "./support.js";

export interface RawConnection {
  readonly socket: Socket;
  /** Of all connections of this service. */
  readonly index: number;
  /** What the client has sent. */
  readonly frames: raw.RawFrame[];
  send(...frames: Buffer[]): void;
}

export interface RawHttp2Options {
  /** `[identifier, value, …]`; null: it says nothing by itself. */
  readonly settings?: readonly number[] | null;
  readonly onConnection?: (connection: RawConnection) => void;
  /** A request's HEADERS have come. */
  readonly onRequest?: (connection: RawConnection, streamId: number, count: number) => void;
  readonly onFrame?: (connection: RawConnection, frame: raw.RawFrame) => void;
}

export const OK = [":status: 200"];

export async function startRawHttp2(options: RawHttp2Options): Promise<RawServer> {
  return await startRawServer((socket, index) => {
    const connection: RawConnection = { socket, index, frames: [], send: (...frames) => socket.write(Buffer.concat(frames)) };
    let held: Buffer = Buffer.alloc(0);
    let skip = raw.PREFACE.length;
    let requests = 0;
    if (options.settings !== null) connection.send(raw.settings(options.settings ?? []));
    options.onConnection?.(connection);
    socket.on("data", (bytes) => {
      held = Buffer.concat([held, bytes]);
      const taken = Math.min(skip, held.length);
      skip -= taken;
      held = held.subarray(taken);
      while (held.length >= 9 && held.length >= 9 + held.readUIntBE(0, 3)) {
        const length = 9 + held.readUIntBE(0, 3);
        const [received] = raw.parseFrames(held.subarray(0, length)) as [raw.RawFrame];
        held = held.subarray(length);
        connection.frames.push(received);
        if (options.settings !== null && received.type === frame.SETTINGS && (received.flags & frame.ACK) === 0)
          connection.send(raw.SETTINGS_ACK);
        options.onFrame?.(connection, received);
        if (received.type === frame.HEADERS) options.onRequest?.(connection, received.streamId, requests++);
      }
    });
  });
}

/** A whole answer. */
export function answer(streamId: number, body = "hello", fields: readonly string[] = OK): Buffer {
  return Buffer.concat([raw.headers(streamId, fields, false), raw.data(streamId, body, true)]);
}
