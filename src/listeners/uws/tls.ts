/**
 * Certificates for uWebSockets.js: which name gets which, checked in JavaScript before the addon sees them, because it
 * ignores unreadable or mismatched files given for a further name and silently serves the default instead.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { CertificateSpec } from "../../engine/model/snapshot.js";
import type { UwsTlsOptions } from "./addon.js";

/** The addon's own TLS 1.2 list still holds CBC and RSA key exchange. TLS 1.3 suites are not configurable. */
const CIPHERS = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

export interface ServerName {
  /** Lower case; `*.example.com` stands for exactly one label. */
  readonly name: string;
  readonly certificate: CertificateSpec;
}

/** Throws, naming the file, when a certificate cannot be used. */
export function tlsOptions(certificate: CertificateSpec): UwsTlsOptions {
  checkPair(certificate);
  return { key_file_name: certificate.keyPath, cert_file_name: certificate.certPath, ssl_ciphers: CIPHERS };
}

function checkPair({ certPath, keyPath }: CertificateSpec): void {
  const leaf = read(certPath, (pem) => new X509Certificate(pem));
  const key = read(keyPath, (pem) => createPrivateKey(pem));
  if (!leaf.checkPrivateKey(key)) throw new Error(`the key ${keyPath} does not belong to the certificate ${certPath}`);
}

function read<T>(path: string, parse: (pem: Buffer) => T): T {
  try {
    return parse(readFileSync(path));
  } catch (error) {
    throw new Error(`cannot use ${path} for TLS`, { cause: error });
  }
}

/**
 * The names that must be registered. The first certificate answers for everything unregistered, so its names are left
 * out unless another certificate's wildcard would catch them. The first certificate that has a name keeps it.
 */
export function serverNames(certificates: readonly CertificateSpec[]): ServerName[] {
  const owners = new Map<string, CertificateSpec>();
  for (const certificate of certificates) {
    for (const name of certificate.names) if (!owners.has(name.toLowerCase())) owners.set(name.toLowerCase(), certificate);
  }
  const first = certificates[0];
  const all = [...owners].map(([name, certificate]) => ({ name, certificate }));
  return all.filter(({ name, certificate }) => certificate !== first || isCaughtByOther(name, owners, certificate));
}

function isCaughtByOther(name: string, owners: ReadonlyMap<string, CertificateSpec>, certificate: CertificateSpec): boolean {
  const dot = name.indexOf(".");
  const owner = owners.get(`*${name.slice(dot)}`);
  return dot > 0 && owner !== undefined && owner !== certificate;
}
