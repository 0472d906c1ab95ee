/**
 * Keeps a directory of development certificates in order: a CA, a server leaf for localhost and a key pair for tokens.
 * What is valid stays, what is missing, damaged or about to expire is made anew, and what somebody else made is never
 * replaced unasked. Not for production: the CA's key lies next to its certificate.
 */
import { createPrivateKey, type KeyObject, type X509Certificate } from "node:crypto";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { publicJwk } from "./development-keys.js";
import { makePrivate, PRIVATE_MODE, PUBLIC_MODE, readIfPresent, writeWhole } from "./private-file.js";
import { altNameFor, createKeyPair, type Issuer, issue, readChain, type SubjectAltName, selfSign } from "./x509.js";

export interface DevelopmentCertificatesOptions {
  readonly directory: string;
  /** DNS names or addresses beyond the built-in ones. */
  readonly hosts: readonly string[];
  /** Make everything anew, whoever made what is there. */
  readonly isForced: boolean;
  readonly now: Date;
}

export interface DevelopmentFile {
  readonly path: string;
  readonly action: "kept" | "written";
  /** Why it was written, or until when it is valid. */
  readonly reason: string;
}

export type DevelopmentCertificates =
  | { readonly ok: true; readonly files: readonly DevelopmentFile[] }
  /** Something in the way that we did not make. Nothing was written. */
  | { readonly ok: false; readonly problem: string };

export const DEVELOPMENT_FILES = {
  ca: "ca.pem",
  caKey: "ca-key.pem",
  server: "localhost.pem",
  serverKey: "localhost-key.pem",
  jwtKey: "dev-jwt-key.pem",
  jwks: "dev-jwks.json",
} as const;

const CA_NAME = "Windrose development CA";
/** Most clients refuse a wildcard directly below a top-level name; for them `--name orders.localhost` adds the full name. */
const BUILT_IN_HOSTS = ["localhost", "*.localhost", "127.0.0.1", "::1"];
const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
/** Below the 825 days that operating systems accept from a private CA, and below the 398 that browsers like. */
const SERVER_DAYS = 397;
const RENEW_WITHIN_DAYS = 7;
/** Machines and containers disagree about the time. */
const BACKDATE_MS = 3_600_000;

/** A certificate with its key as found: usable, or the reason why it is not. */
type Found = { readonly ok: true; readonly issuer: Issuer } | { readonly ok: false; readonly reason: string };

export async function ensureDevelopmentCertificates(options: DevelopmentCertificatesOptions): Promise<DevelopmentCertificates> {
  const problem = options.isForced ? null : findForeignFile(options.directory);
  if (problem !== null) return { ok: false, problem };
  const ca = ensureCa(options);
  const server = ensureServer(options, ca.issuer);
  const token = await ensureTokenKey(options);
  return { ok: true, files: [...ca.files, ...server, ...token] };
}

/** A readable certificate that does not come from a CA of ours; unreadable ones are damage and may be replaced. */
function findForeignFile(directory: string): string | null {
  for (const name of [DEVELOPMENT_FILES.ca, DEVELOPMENT_FILES.server]) {
    const path = join(directory, name);
    const pem = readIfPresent(path);
    const certificate = pem === null ? null : parseChain(pem)?.[0];
    if (certificate && commonName(certificate.issuer) !== CA_NAME) {
      return `${path} was issued by "${commonName(certificate.issuer)}", not by windrose; use another --dir, or --force to replace it`;
    }
  }
  return null;
}

function commonName(distinguishedName: string): string {
  return /^CN=(.*)$/m.exec(distinguishedName)?.[1] ?? distinguishedName;
}

function parseChain(pem: string): readonly X509Certificate[] | null {
  try {
    const chain = readChain(pem);
    return chain.length === 0 ? null : chain;
  } catch {
    return null;
  }
}

function parseKey(pem: string): KeyObject | null {
  try {
    return createPrivateKey(pem);
  } catch {
    return null;
  }
}

// ── The CA ───────────────────────────────────────────────────────────────────────────────────────────────────────

function ensureCa(options: DevelopmentCertificatesOptions): { issuer: Issuer; files: DevelopmentFile[] } {
  const certPath = join(options.directory, DEVELOPMENT_FILES.ca);
  const keyPath = join(options.directory, DEVELOPMENT_FILES.caKey);
  const found = options.isForced ? unusable("forced") : inspectPair(certPath, keyPath, options.now);
  if (found.ok) return { issuer: found.issuer, files: keptPair(certPath, keyPath, found.issuer) };
  const pair = createKeyPair();
  const certificate = selfSign(
    { ...lifetime(options.now, CA_DAYS), commonName: CA_NAME, publicKey: pair.publicKey, usage: "ca", names: [] },
    pair.privateKey,
  );
  const issuer = { certificate, privateKey: pair.privateKey };
  return { issuer, files: writePair(certPath, keyPath, issuer, certificate.toString(), found.reason) };
}

function inspectPair(certPath: string, keyPath: string, now: Date): Found {
  const certPem = readIfPresent(certPath);
  const keyPem = readIfPresent(keyPath);
  if (certPem === null) return unusable("missing");
  if (keyPem === null) return unusable("key missing");
  const certificate = parseChain(certPem)?.[0];
  const privateKey = parseKey(keyPem);
  if (!certificate || !privateKey) return unusable("unreadable");
  if (!certificate.checkPrivateKey(privateKey)) return unusable("key does not match");
  if (Date.parse(certificate.validFrom) > now.getTime()) return unusable("not yet valid");
  const daysLeft = (Date.parse(certificate.validTo) - now.getTime()) / DAY_MS;
  if (daysLeft <= RENEW_WITHIN_DAYS) return unusable(daysLeft <= 0 ? "expired" : "expires soon");
  return { ok: true, issuer: { certificate, privateKey } };
}

// ── The server leaf ──────────────────────────────────────────────────────────────────────────────────────────────

function ensureServer(options: DevelopmentCertificatesOptions, ca: Issuer): DevelopmentFile[] {
  const certPath = join(options.directory, DEVELOPMENT_FILES.server);
  const keyPath = join(options.directory, DEVELOPMENT_FILES.serverKey);
  const earlier = options.isForced ? [] : earlierHosts(certPath);
  const hosts = [...new Set([...BUILT_IN_HOSTS, ...earlier, ...options.hosts].map(canonicalHost))];
  const found = options.isForced ? unusable("forced") : inspectServer(certPath, keyPath, options.now, ca, hosts);
  if (found.ok) return keptPair(certPath, keyPath, found.issuer);
  const pair = createKeyPair();
  const names = hosts.map(altNameFor);
  const validity = lifetime(options.now, SERVER_DAYS, Date.parse(ca.certificate.validTo));
  const certificate = issue({ ...validity, commonName: "localhost", publicKey: pair.publicKey, usage: "server", names }, ca);
  const chain = certificate.toString() + ca.certificate.toString();
  return writePair(certPath, keyPath, { certificate, privateKey: pair.privateKey }, chain, found.reason);
}

function inspectServer(certPath: string, keyPath: string, now: Date, ca: Issuer, hosts: readonly string[]): Found {
  const found = inspectPair(certPath, keyPath, now);
  if (!found.ok) return found;
  const chain = parseChain(readIfPresent(certPath) ?? "");
  if (!found.issuer.certificate.verify(ca.certificate.publicKey)) return unusable("signed by an earlier CA");
  if (chain?.[1]?.fingerprint256 !== ca.certificate.fingerprint256) return unusable("CA missing in the chain");
  const missing = hosts.map(altNameFor).filter((name) => !hasName(found.issuer.certificate, name));
  return missing.length > 0 ? unusable(`new name ${missing.map((name) => name.value).join(", ")}`) : found;
}

/** Names given in an earlier run stay when the leaf is renewed. */
function earlierHosts(certPath: string): string[] {
  const leaf = parseChain(readIfPresent(certPath) ?? "")?.[0];
  return leaf ? subjectAltNames(leaf).map((name) => name.replace(/^(DNS|IP Address):/, "")) : [];
}

/** Lower case, and addresses in one spelling: node:crypto prints `::1` as `0:0:0:0:0:0:0:1`. */
function canonicalHost(host: string): string {
  return isIPv6(host) ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host.toLowerCase();
}

function subjectAltNames(certificate: X509Certificate): string[] {
  return (certificate.subjectAltName ?? "").split(", ").filter((name) => name !== "");
}

function hasName(certificate: X509Certificate, name: SubjectAltName): boolean {
  if (name.type === "ip") return certificate.checkIP(name.value) !== undefined;
  return subjectAltNames(certificate).includes(`DNS:${name.value}`);
}

// ── The token key ────────────────────────────────────────────────────────────────────────────────────────────────

async function ensureTokenKey(options: DevelopmentCertificatesOptions): Promise<DevelopmentFile[]> {
  const keyPath = join(options.directory, DEVELOPMENT_FILES.jwtKey);
  const jwksPath = join(options.directory, DEVELOPMENT_FILES.jwks);
  const pem = options.isForced ? null : readIfPresent(keyPath);
  const kept = pem === null ? null : parseKey(pem);
  const key = kept ?? createKeyPair().privateKey;
  const jwks = `${JSON.stringify({ keys: [await publicJwk(key)] }, null, 2)}\n`;
  if (kept !== null) makePrivate(keyPath);
  else writeWhole(keyPath, exportKey(key), PRIVATE_MODE);
  const isCurrent = kept !== null && readIfPresent(jwksPath) === jwks;
  if (!isCurrent) writeWhole(jwksPath, jwks, PUBLIC_MODE);
  const reason = options.isForced ? "forced" : "missing or unreadable";
  return [
    { path: keyPath, action: kept === null ? "written" : "kept", reason: kept === null ? reason : "no expiry" },
    { path: jwksPath, action: isCurrent ? "kept" : "written", reason: isCurrent ? "no expiry" : "public half of the key" },
  ];
}

// ── Shared ───────────────────────────────────────────────────────────────────────────────────────────────────────

function unusable(reason: string): Found & { ok: false } {
  return { ok: false, reason };
}

function lifetime(now: Date, days: number, latestMs = Number.POSITIVE_INFINITY): { notBefore: Date; notAfter: Date } {
  const notAfterMs = Math.min(now.getTime() + days * DAY_MS, latestMs);
  return { notBefore: new Date(now.getTime() - BACKDATE_MS), notAfter: new Date(notAfterMs) };
}

function exportKey(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }) as string;
}

/** Key first: a certificate without its key would look complete to whoever waits for the certificate. */
function writePair(certPath: string, keyPath: string, pair: Issuer, certPem: string, reason: string): DevelopmentFile[] {
  writeWhole(keyPath, exportKey(pair.privateKey), PRIVATE_MODE);
  writeWhole(certPath, certPem, PUBLIC_MODE);
  return [
    { path: certPath, action: "written", reason },
    { path: keyPath, action: "written", reason },
  ];
}

function keptPair(certPath: string, keyPath: string, pair: Issuer): DevelopmentFile[] {
  makePrivate(keyPath);
  const reason = `valid until ${new Date(pair.certificate.validTo).toISOString().slice(0, 10)}`;
  return [
    { path: certPath, action: "kept", reason },
    { path: keyPath, action: "kept", reason },
  ];
}
