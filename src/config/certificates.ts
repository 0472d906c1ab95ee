/** Certificates and keys as text: can they be used together, for which names, and until when. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";

export interface LoadedCertificate {
  /** SHA-256 of the leaf, as the configuration's version sees the certificate. */
  readonly fingerprint: string;
  /** Lower-case DNS names from the SANs. */
  readonly names: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** With its chain. */
  readonly certPem: string;
  /** Secret. */
  readonly keyPem: string;
}

export type CertificateResult =
  | { readonly ok: true; readonly certificate: LoadedCertificate }
  /** `part` is the file at fault. */
  | { readonly ok: false; readonly part: "cert" | "key"; readonly message: string; readonly hint?: string };

export function loadCertificate(certPem: string, keyPem: string): CertificateResult {
  const leaf = parseCertificate(certPem);
  const key = parseKey(keyPem);
  if (leaf === null) return { ok: false, part: "cert", message: "is not a PEM certificate", hint: swapHint(certPem) };
  if (typeof key === "string") return { ok: false, part: "key", message: key };
  if (!leaf.checkPrivateKey(key)) {
    return { ok: false, part: "key", message: "does not belong to the certificate", hint: "the certificate file must begin with the leaf" };
  }
  return { ok: true, certificate: { ...describe(leaf), certPem, keyPem } };
}

/** Number of certificates in a bundle of roots; null when one of them cannot be parsed, or there is none. */
export function countRoots(pem: string): number | null {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g);
  if (blocks === null) return null;
  return blocks.every((block) => parseCertificate(block) !== null) ? blocks.length : null;
}

function parseCertificate(pem: string): X509Certificate | null {
  if (!pem.includes("-----BEGIN")) return null;
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}

/** The error of the crypto library is not shown: it says nothing to a reader, and could echo key material. */
function parseKey(pem: string): KeyObject | string {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem))
    return "is encrypted: keys with a passphrase are not supported";
  if (!pem.includes("PRIVATE KEY-----")) return "is not a PEM private key";
  try {
    return createPrivateKey(pem);
  } catch {
    return "is not a usable private key";
  }
}

function swapHint(pem: string): string {
  return pem.includes("PRIVATE KEY-----") ? "it is a private key: are cert and key swapped?" : "expected -----BEGIN CERTIFICATE-----";
}

function describe(leaf: X509Certificate): Omit<LoadedCertificate, "certPem" | "keyPem"> {
  return {
    fingerprint: leaf.fingerprint256,
    names: dnsNames(leaf.subjectAltName ?? ""),
    notBeforeMs: Date.parse(leaf.validFrom),
    notAfterMs: Date.parse(leaf.validTo),
  };
}

/** Node writes SANs as `DNS:a.example, IP Address:::1`; a name with odd characters comes quoted and is not a host name. */
function dnsNames(subjectAltName: string): string[] {
  const names = subjectAltName
    .split(", ")
    .filter((entry) => entry.startsWith("DNS:") && !entry.startsWith('DNS:"'))
    .map((entry) => entry.slice("DNS:".length).toLowerCase());
  return [...new Set(names)];
}
