/** What is wrong with a frame by its header alone: length and stream identifier of its type (RFC 9113 §6). */
import { FRAME_SIZE_ERROR, PROTOCOL_ERROR } from "./error-codes.js";
import type { FrameHeader } from "./frame-types.js";
import * as frame from "./frame-types.js";
import type { Http2Refusal } from "./refusal.js";

const TOO_LARGE: Http2Refusal = { errorCode: FRAME_SIZE_ERROR, reason: "frame-too-large" };
const BAD_LENGTH: Http2Refusal = { errorCode: FRAME_SIZE_ERROR, reason: "bad-frame-length" };
const BAD_STREAM_ID: Http2Refusal = { errorCode: PROTOCOL_ERROR, reason: "bad-stream-id" };
const PUSHED: Http2Refusal = { errorCode: PROTOCOL_ERROR, reason: "push-promise" };

/** Fields of a frame with its own length: a fixed one for most types (§6.3, §6.4, §6.7, §6.9). */
const EXACT_BYTES = new Map([
  [frame.PRIORITY, 5],
  [frame.RST_STREAM, 4],
  [frame.PING, 8],
  [frame.WINDOW_UPDATE, 4],
]);

/**
 * Every problem ends the connection, although the RFC calls some of them stream errors: who cannot frame cannot be trusted
 * to have framed the rest (§5.4.1 allows it).
 */
export function checkFrame(header: FrameHeader): Http2Refusal | null {
  if (header.length > frame.MAX_FRAME_BYTES) return TOO_LARGE;
  if (header.type === frame.PUSH_PROMISE) return PUSHED;
  if (!hasRightStreamId(header)) return BAD_STREAM_ID;
  return hasRightLength(header) ? null : BAD_LENGTH;
}

function hasRightStreamId({ streamId, type }: FrameHeader): boolean {
  switch (type) {
    case frame.DATA:
    case frame.HEADERS:
    case frame.PRIORITY:
    case frame.RST_STREAM:
    case frame.CONTINUATION:
      return streamId !== 0;
    case frame.SETTINGS:
    case frame.PING:
    case frame.GOAWAY:
    case frame.PRIORITY_UPDATE:
      return streamId === 0;
    default:
      return true;
  }
}

function hasRightLength({ flags, length, type }: FrameHeader): boolean {
  switch (type) {
    case frame.DATA:
      return (flags & frame.PADDED) === 0 || length >= 1;
    case frame.HEADERS:
      return length >= ((flags & frame.PADDED) === 0 ? 0 : 1) + ((flags & frame.HAS_PRIORITY) === 0 ? 0 : 5);
    case frame.SETTINGS:
      return (flags & frame.ACK) === 0 ? length % 6 === 0 : length === 0;
    case frame.GOAWAY:
      return length >= 8;
    case frame.PRIORITY_UPDATE:
      return length >= 4;
    default: {
      const exact = EXACT_BYTES.get(type);
      return exact === undefined || length === exact;
    }
  }
}
