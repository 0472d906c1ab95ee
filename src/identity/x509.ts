/**
 * Builds X.509 version 3 certificates (RFC 5280): node-forge's ASN.1 for the structure, node:crypto for P-256 keys and
 * ECDSA signatures, because forge alone can only sign with RSA. Reading certificates is left to
 * node:crypto's X509Certificate; what a certificate is used for is left to the caller.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import forge from "node-forge";
import * as der from "./der.js";

export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export type SubjectAltName =
  | { readonly type: "dns"; readonly value: string }
  | { readonly type: "ip"; readonly value: string }
  | { readonly type: "uri"; readonly value: string };

/** `ca` signs leaves and nothing below them; the others are leaves for TLS. */
export type CertificateUsage = "ca" | "server" | "client" | "peer";

export interface CertificateContent {
  readonly commonName: string;
  readonly publicKey: KeyObject;
  readonly usage: CertificateUsage;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly names: readonly SubjectAltName[];
}

/** Who signs: a certificate made by this module and its private key. */
export interface Issuer {
  readonly certificate: X509Certificate;
  readonly privateKey: KeyObject;
}

const OID = {
  commonName: "2.5.4.3",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
};

const EXTENDED_USAGES: Readonly<Record<CertificateUsage, readonly string[]>> = {
  ca: [],
  server: [OID.serverAuth],
  client: [OID.clientAuth],
  peer: [OID.serverAuth, OID.clientAuth],
};

/** GeneralName tags, RFC 5280 §4.2.1.6. */
const NAME_TAG = { dns: 2, uri: 6, ip: 7 } as const;

export function createKeyPair(): KeyPair {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

/** A root that vouches for itself. */
export function selfSign(content: CertificateContent, privateKey: KeyObject): X509Certificate {
  const subject = distinguishedName(content.commonName);
  return signCertificate(content, { name: subject, publicKey: content.publicKey, privateKey });
}

export function issue(content: CertificateContent, issuer: Issuer): X509Certificate {
  const name = subjectOf(issuer.certificate);
  return signCertificate(content, { name, publicKey: issuer.certificate.publicKey, privateKey: issuer.privateKey });
}

/** Splits a file of concatenated PEM certificates; throws what node:crypto throws on a broken one. */
export function readChain(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

/** An address becomes an `ip` name, everything else a `dns` name. */
export function altNameFor(host: string): SubjectAltName {
  return { type: isIP(host) === 0 ? "dns" : "ip", value: host };
}

interface Signer {
  readonly name: der.Der;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

function signCertificate(content: CertificateContent, signer: Signer): X509Certificate {
  const algorithm = der.sequence(der.objectId(OID.ecdsaWithSha256));
  const toBeSigned = der.sequence(
    der.tagged(0, der.integer(Uint8Array.of(2))),
    der.integer(createSerialNumber()),
    algorithm,
    signer.name,
    der.sequence(der.time(content.notBefore), der.time(content.notAfter)),
    distinguishedName(content.commonName),
    der.decode(publicKeyInfo(content.publicKey)),
    der.tagged(3, der.sequence(...extensionsOf(content, signer.publicKey))),
  );
  const signature = sign("sha256", der.encode(toBeSigned), signer.privateKey);
  return new X509Certificate(der.encode(der.sequence(toBeSigned, algorithm, der.bitString(signature))));
}

/** 127 random bits in 16 bytes: first bit clear (positive), second set (shortest DER form, never zero). */
function createSerialNumber(): Uint8Array {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

function distinguishedName(commonName: string): der.Der {
  return der.sequence(der.set(der.sequence(der.objectId(OID.commonName), der.utf8String(commonName))));
}

/** The subject exactly as encoded: chains are matched byte for byte. */
function subjectOf(certificate: X509Certificate): der.Der {
  const toBeSigned = der.children(der.children(der.decode(certificate.raw))[0]);
  const subject = toBeSigned[5];
  if (subject === undefined) throw new Error("X.509: the issuer has no subject");
  return subject;
}

function publicKeyInfo(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: "spki", format: "der" });
}

/** RFC 5280 §4.2.1.2 (1): SHA-1 of the public key's bits, for P-256 the uncompressed point. A label, not a signature. */
function keyIdentifier(publicKey: KeyObject): Uint8Array {
  const { x, y } = publicKey.export({ format: "jwk" });
  if (x === undefined || y === undefined) throw new Error("X.509: an elliptic curve key was expected");
  return createHash("sha1").update(Uint8Array.of(4)).update(x, "base64url").update(y, "base64url").digest();
}

function extensionsOf(content: CertificateContent, issuerKey: KeyObject): der.Der[] {
  const isCa = content.usage === "ca";
  const usages = EXTENDED_USAGES[content.usage];
  const extensions = [
    extension(OID.basicConstraints, true, isCa ? der.sequence(der.boolean(true), der.integer(Uint8Array.of(0))) : der.sequence()),
    // keyCertSign + cRLSign, or digitalSignature: the only bits that an ECDSA key needs for TLS.
    extension(OID.keyUsage, true, isCa ? der.bitString(Uint8Array.of(0x06), 1) : der.bitString(Uint8Array.of(0x80), 7)),
    extension(OID.subjectKeyIdentifier, false, der.octetString(keyIdentifier(content.publicKey))),
    extension(OID.authorityKeyIdentifier, false, der.sequence(der.taggedBytes(0, keyIdentifier(issuerKey)))),
  ];
  if (usages.length > 0) extensions.push(extension(OID.extKeyUsage, false, der.sequence(...usages.map(der.objectId))));
  if (content.names.length > 0) extensions.push(extension(OID.subjectAltName, false, der.sequence(...content.names.map(generalName))));
  return extensions;
}

function extension(oid: string, isCritical: boolean, value: der.Der): der.Der {
  const critical = isCritical ? [der.boolean(true)] : [];
  return der.sequence(der.objectId(oid), ...critical, der.octetString(der.encode(value)));
}

function generalName(name: SubjectAltName): der.Der {
  const bytes = name.type === "ip" ? addressBytes(name.value) : Buffer.from(name.value, "ascii");
  return der.taggedBytes(NAME_TAG[name.type], bytes);
}

function addressBytes(address: string): Buffer {
  // Missing in the type definitions; accepts octets above 255.
  const util = forge.util as unknown as { bytesFromIP(address: string): string | null };
  const bytes = isIP(address) === 0 ? null : util.bytesFromIP(address);
  if (bytes === null) throw new Error(`X.509: "${address}" is not an IP address`);
  return Buffer.from(bytes, "latin1");
}
