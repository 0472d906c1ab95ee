/**
 * The listener's policy for heads that a strict codec has let through: the same rules as everywhere
 * (../head-rules.ts), and those that need TLS facts.
 */
import type { ErrorCode } from "../../engine/model/errors.js";
import type { RequestHead } from "../../engine/model/request.js";
import { checkMethod, checkTarget, cleanRefusedHead, type HeadPolicy, HeadVerdict, refuseName } from "../head-rules.js";
import type { Client } from "./client.js";

/** Fills in what only the connection knows, and judges. The verdict's `code` is null when the request may enter. */
export function judgeHead(head: RequestHead, client: Client, policy: HeadPolicy): HeadVerdict {
  head.remoteAddress = client.address;
  head.peer = client.peer;
  const verdict = new HeadVerdict(head);
  checkMethod(verdict, head.method);
  if (head.path !== "*" || head.method !== "OPTIONS") checkTarget(verdict);
  if (policy.refuseUnderscoreHeaders) checkNames(verdict);
  if (client.isMisdirected(head.authority)) verdict.refuse("host-misdirected", "the connection was made for another host");
  if (policy.maxBodyBytes > 0 && head.bodyLength > policy.maxBodyBytes) {
    verdict.refuse("body-too-large", `Content-Length exceeds ${policy.maxBodyBytes} bytes`);
  }
  if (verdict.code !== null) cleanRefusedHead(head);
  return verdict;
}

/** A head that the codec refused: what is known of it goes to the log. */
export function refusedHead(head: RequestHead, client: Client, code: ErrorCode, detail: string): HeadVerdict {
  head.remoteAddress = client.address;
  head.peer = client.peer;
  const verdict = new HeadVerdict(head);
  verdict.refuse(code, detail);
  cleanRefusedHead(head);
  return verdict;
}

function checkNames(verdict: HeadVerdict): void {
  const { headers } = verdict.head;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name.includes("_")) return refuseName(verdict, name);
  }
}
