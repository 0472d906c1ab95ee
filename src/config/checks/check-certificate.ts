/** A certificate with its key, in files. */
import { loadCertificate } from "../certificates.js";
import type { DocumentPath } from "../problems.js";
import type { CheckContext } from "./check-document.js";
import { readFileAt } from "./read-text.js";

const MAKE_HINT = "paths start at the YAML file; windrose certs dev makes certificates for development";

/** @returns the DNS names it can be served for; null when there is a problem */
export function checkCertificate(
  value: { readonly cert?: string | undefined; readonly key?: string | undefined } | undefined,
  path: DocumentPath,
  context: CheckContext,
): readonly string[] | null {
  const certPem = value?.cert === undefined ? null : readFileAt([...path, "cert"], value.cert, context, MAKE_HINT);
  const keyPem = value?.key === undefined ? null : readFileAt([...path, "key"], value.key, context, MAKE_HINT);
  if (certPem === null || keyPem === null) return null;
  const result = loadCertificate(certPem, keyPem);
  if (!result.ok) {
    context.checker.error([...path, result.part], `${context.checker.quote([...path, result.part])} ${result.message}`, result.hint);
    return null;
  }
  context.materials.setCertificate(path, result.certificate);
  warnOnDates(result.certificate, [...path, "cert"], context);
  return result.certificate.names;
}

function warnOnDates(
  certificate: { readonly notBeforeMs: number; readonly notAfterMs: number },
  path: DocumentPath,
  context: CheckContext,
): void {
  const { checker, nowMs } = context;
  const day = (timeMs: number) => new Date(timeMs).toISOString().slice(0, 10);
  if (certificate.notAfterMs <= nowMs) checker.warn(path, `the certificate expired on ${day(certificate.notAfterMs)}`);
  if (certificate.notBeforeMs > nowMs) checker.warn(path, `the certificate is not valid before ${day(certificate.notBeforeMs)}`);
}
