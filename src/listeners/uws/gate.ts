/**
 * The strict gate: decides, synchronously and before anything else happens, whether a request head that
 * uWebSockets.js handed over may enter. The parser behind it accepts several lengths, any transfer coding, empty
 * values, odd methods and hosts; a proxy that forwarded those would be a smuggling primitive. A pure function.
 */
import type { ErrorCode } from "../../engine/model/errors.js";
import { type HeaderList, RequestHead } from "../../engine/model/request.js";
import {
  CONTROL,
  checkMethod,
  checkTarget,
  cleanRefusedHead,
  type HeadPolicy,
  type HeadVerdict,
  HOST,
  NAME_WITH_UNDERSCORE,
  refuseName,
} from "../head-rules.js";
import { readUpgrade, type UpgradeRequest } from "./upgrade.js";

/** The outcome for one request; `code` is null when it may enter. */
export class GateVerdict implements HeadVerdict {
  readonly head: RequestHead;
  code: ErrorCode | null = null;
  detail = "";
  /** The client asked to close in a form that uWebSockets.js overlooks, such as `Connection: close, te`. */
  wantsClose = false;
  hasUpgrade = false;
  /** The upgrade that `head.isWebSocket` stands for. */
  upgrade: UpgradeRequest | null = null;
  /** Where the body ends is beyond doubt. When false, the connection must not be read any further. */
  isFramingSound = true;

  constructor(head: RequestHead) {
    this.head = head;
  }

  /** The first reason counts. */
  refuse(code: ErrorCode, detail: string): void {
    if (this.code !== null) return;
    this.code = code;
    this.detail = detail;
  }

  /** Outranks every other reason: whatever else is wrong, reading on would be guessing. */
  refuseFraming(detail: string): void {
    if (this.isFramingSound) this.code = null;
    this.isFramingSound = false;
    this.refuse("bad-request", detail);
  }
}

const NAME = /^[!#$%&'*+\-.^`|~0-9a-z]+$/;
const ODD_IN_VALUE = /[^\t\x20-\x7e]/;
const CONTENT_LENGTH = /^[0-9]{1,15}$/;
const CLOSE_TOKEN = /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i;

/** Bytes of the request line and the empty line besides method and target. */
const REQUEST_LINE_OVERHEAD = 14;
/** `: ` and CRLF. */
const FIELD_OVERHEAD = 4;

/**
 * @param headers as uWebSockets.js gave them (UTF-8 decoded); becomes the head's list: latin1, without framing fields
 */
export function gate(method: string, path: string, query: string | undefined, headers: HeaderList, policy: HeadPolicy): GateVerdict {
  const verdict = new GateVerdict(new RequestHead(method, policy.scheme, "", path, query, headers));
  checkMethod(verdict, method);
  checkTarget(verdict);
  checkFields(verdict, policy);
  const { head } = verdict;
  if (verdict.hasUpgrade && verdict.code === null) checkUpgrade(verdict);
  if (verdict.code === null && policy.maxBodyBytes > 0 && head.bodyLength > policy.maxBodyBytes) {
    verdict.refuse("body-too-large", `Content-Length exceeds ${policy.maxBodyBytes} bytes`);
  }
  if (verdict.code !== null) cleanRefusedHead(head);
  return verdict;
}

function checkFields(verdict: GateVerdict, policy: HeadPolicy): void {
  const { head } = verdict;
  const { headers } = head;
  const namePattern = policy.refuseUnderscoreHeaders ? NAME : NAME_WITH_UNDERSCORE;
  let bytes = REQUEST_LINE_OVERHEAD + head.method.length + head.path.length + (head.query === undefined ? 0 : head.query.length + 1);
  let hosts = 0;
  let lengths = 0;
  let codings = 0;
  let kept = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    let value = headers[i + 1] as string;
    bytes += name.length + value.length + FIELD_OVERHEAD;
    if (!namePattern.test(name)) refuseName(verdict, name);
    if (ODD_IN_VALUE.test(value)) value = byteString(verdict, value);
    switch (name) {
      case "host":
        hosts++;
        head.authority = value;
        break;
      case "content-length":
        lengths++;
        readContentLength(verdict, value);
        continue;
      case "transfer-encoding":
        codings++;
        if (value !== "chunked") verdict.refuseFraming("unsupported Transfer-Encoding");
        head.bodyLength = -1;
        continue;
      default:
        checkField(verdict, name, value);
    }
    headers[kept++] = name;
    headers[kept++] = value;
  }
  headers.length = kept;
  if (lengths + codings > 1) verdict.refuseFraming("more than one Content-Length or Transfer-Encoding");
  if (hosts !== 1) verdict.refuse("bad-request", hosts === 0 ? "Host is missing" : "more than one Host");
  else if (!HOST.test(head.authority)) verdict.refuse("bad-request", "malformed Host");
  if (bytes > policy.maxHeaderBytes) verdict.refuse("headers-too-large", `the head exceeds ${policy.maxHeaderBytes} bytes`);
}

/** Fields that change what we must do, but stay in the list. */
function checkField(verdict: GateVerdict, name: string, value: string): void {
  switch (name) {
    case "connection":
      if (value !== "keep-alive" && CLOSE_TOKEN.test(value)) verdict.wantsClose = true;
      return;
    case "expect":
      if (value.toLowerCase() !== "100-continue") verdict.refuse("expectation-failed", "only 100-continue can be expected");
      return;
    case "upgrade":
      verdict.hasUpgrade = true;
  }
}

function checkUpgrade(verdict: GateVerdict): void {
  const upgrade = readUpgrade(verdict.head);
  if (upgrade === null) return;
  if (upgrade.flaw === "malformed") verdict.refuse("bad-request", "malformed WebSocket upgrade");
  else if (upgrade.flaw === "version") verdict.refuse("websocket-version", "Sec-WebSocket-Version must be 13");
  else {
    verdict.head.isWebSocket = true;
    verdict.upgrade = upgrade;
  }
}

function readContentLength(verdict: GateVerdict, value: string): void {
  const { head } = verdict;
  if (!CONTENT_LENGTH.test(value)) {
    verdict.refuseFraming("malformed Content-Length");
    return;
  }
  const length = Number(value);
  if (head.bodyLength !== -1) head.bodyLength = length;
  head.hasZeroLength = length === 0;
}

/**
 * The addon decodes values as UTF-8; encoding them again gives the bytes that were sent, as latin1 text. What was no
 * UTF-8 has become U+FFFD and is lost: passing it on would forward something the client did not send.
 */
function byteString(verdict: GateVerdict, value: string): string {
  const bytes = Buffer.from(value, "utf8").toString("latin1");
  if (CONTROL.test(value) || bytes.includes("\xef\xbf\xbd")) verdict.refuse("bad-request", "forbidden character in a header value");
  return bytes;
}
