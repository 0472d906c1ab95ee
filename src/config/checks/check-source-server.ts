/** Servers that sources ask: URLs that are different ones, TLS that has an effect, files that can be read. */
import type { DocumentPath } from "../problems.js";
import { isLoopback } from "../schema/addresses.js";
import { checkCertificate } from "./check-certificate.js";
import type { CheckContext } from "./check-document.js";
import { checkRepeats } from "./check-listeners.js";
import { readRoots, type TextValue } from "./read-text.js";

export interface SourceServerDraft {
  readonly urls?: readonly (string | undefined)[] | undefined;
  readonly tls?:
    | {
        readonly ca?: TextValue | undefined;
        readonly certificate?: { readonly cert?: string | undefined; readonly key?: string | undefined } | undefined;
        readonly insecureSkipVerify?: boolean | undefined;
      }
    | undefined;
}

/** @param at of the source, which holds `urls` and `tls` */
export function checkSourceServer({ urls, tls }: SourceServerDraft, at: DocumentPath, context: CheckContext): void {
  const { checker } = context;
  checkRepeats(urls, [...at, "urls"], checker);
  urls?.forEach((url, index) => {
    if (url !== undefined && /[?#]/.test(url)) checker.error([...at, "urls", index], "must not hold a query or a fragment");
  });
  const tlsAt = [...at, "tls"];
  if (!checker.isWritten(tlsAt)) return;
  if (urls?.every((url) => url?.toLowerCase().startsWith("http:")) === true) {
    checker.error(tlsAt, "has no effect with http:// URLs", "write https://");
  }
  readRoots([...tlsAt, "ca"], tls?.ca, context);
  if (tls?.certificate !== undefined) checkCertificate(tls.certificate, [...tlsAt, "certificate"], context);
  if (tls?.insecureSkipVerify === true) {
    checker.warn([...tlsAt, "insecureSkipVerify"], "certificates are not verified: anyone in between can lead requests anywhere");
  }
}

/** @param at of what is shown to the servers */
export function warnOnPlainSecret({ urls }: SourceServerDraft, at: DocumentPath, { checker }: CheckContext): void {
  const isPlain = (url: string): boolean =>
    /^http:/i.test(url) && URL.canParse(url) && !isLoopback(new URL(url).hostname.replace(/^\[|\]$/g, ""));
  if (urls?.some((url) => url !== undefined && isPlain(url)) !== true) return;
  checker.warn(at, "is sent without TLS: whoever is in between can read it", "write https://, or ask an agent on this machine");
}
