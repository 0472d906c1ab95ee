/**
 * Every reason for which frames are refused, with the code that the closing frame should carry. The reasons are for logs,
 * metrics and tests; each is met by a row in the codec's table tests. After a refusal the connection must be closed.
 */
export interface FrameRefusal {
  readonly closeCode: 1002 | 1007 | 1009;
  readonly reason: string;
}

/** Protocol errors but for the last four. */
export type RefusalReason =
  | "reserved-bit"
  | "unknown-opcode"
  | "missing-mask"
  | "unexpected-mask"
  | "fragmented-control-frame"
  | "control-frame-too-long"
  | "non-minimal-length"
  | "bad-length"
  | "continuation-without-start"
  | "unfinished-message"
  | "bad-close-payload"
  | "bad-close-code"
  // 1007
  | "close-reason-not-utf-8"
  | "text-not-utf-8"
  // 1009
  | "length-too-large"
  | "message-too-large";

export function refusal(reason: RefusalReason): FrameRefusal {
  return { closeCode: closeCodeOf(reason), reason };
}

function closeCodeOf(reason: RefusalReason): FrameRefusal["closeCode"] {
  switch (reason) {
    case "close-reason-not-utf-8":
    case "text-not-utf-8":
      return 1007;
    case "length-too-large":
    case "message-too-large":
      return 1009;
    default:
      return 1002;
  }
}
