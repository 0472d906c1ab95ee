/** What all contestants share: one certificate, one RS256 key, the tokens of a hundred subjects, the files the backend serves. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { altNameFor, createKeyPair, selfSign } from "../src/identity/x509.js";
import { GRPC_PATH } from "./scenarios.js";

export interface Fixtures {
  readonly certPath: string;
  readonly keyPath: string;
  /** Certificate and key in one file, as HAProxy wants them. */
  readonly pemPath: string;
  readonly jwtPublicKeyPath: string;
  /** What gRPC calls send. */
  readonly grpcMessagePath: string;
  readonly jwk: Readonly<Record<string, unknown>>;
  readonly tokens: readonly string[];
  /** Well formed, right claims, wrong signature. */
  readonly forgedToken: string;
  /** Rightly signed, but out of date. */
  readonly expiredToken: string;
}

export const ISSUER = "https://id.example.test";
export const AUDIENCE = "bench";
export const SMALL_BODY = JSON.stringify({ message: "hello", padding: "x".repeat(96) });
/** A length-prefixed message with one string, `SMALL_BODY`, as its first field; the answer has the same. */
export const GRPC_MESSAGE = grpcMessage(SMALL_BODY);
export const LARGE_BYTES = 64 * 1024;
export const MEBIBYTE = 1024 * 1024;
const SUBJECTS = 100;
const KEY_ID = "bench-key";
const DAY_MS = 86_400_000;

export function writeFixtures(directory: string): Fixtures {
  const certPath = join(directory, "cert.pem");
  const keyPath = join(directory, "key.pem");
  const pemPath = join(directory, "both.pem");
  const jwtPublicKeyPath = join(directory, "jwt-public.pem");
  const grpcMessagePath = join(directory, "message.grpc");
  writeFileSync(grpcMessagePath, GRPC_MESSAGE);
  const { certificate, key } = createCertificate();
  writeFileSync(certPath, certificate);
  writeFileSync(keyPath, key, { mode: 0o600 });
  writeFileSync(pemPath, certificate + key, { mode: 0o600 });
  mkdirSync(join(directory, "html"), { recursive: true });
  writeFileSync(join(directory, "html", "large"), "0123456789abcdef".repeat(LARGE_BYTES / 16));
  writeFileSync(join(directory, "html", "mebibyte"), "0123456789abcdef".repeat(MEBIBYTE / 16));
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  writeFileSync(jwtPublicKeyPath, publicKey.export({ type: "spki", format: "pem" }));
  const now = Math.floor(Date.now() / 1000);
  const stranger = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  return {
    certPath,
    keyPath,
    pemPath,
    jwtPublicKeyPath,
    grpcMessagePath,
    jwk: { ...publicKey.export({ format: "jwk" }), kid: KEY_ID, alg: "RS256", use: "sig" },
    tokens: Array.from({ length: SUBJECTS }, (_, i) => createToken(privateKey, `subject-${i}`, now)),
    forgedToken: createToken(stranger, "subject-0", now),
    expiredToken: createToken(privateKey, "subject-0", now - 7 * 86_400),
  };
}

/** Of the answer to a GET of `path`. */
export function answerBytes(path: string): number {
  if (path === "/large") return LARGE_BYTES;
  if (path === GRPC_PATH) return GRPC_MESSAGE.length;
  return path === "/mebibyte" ? MEBIBYTE : SMALL_BODY.length;
}

/** @param text ASCII, up to 127 bytes */
function grpcMessage(text: string): Buffer {
  const STRING_FIELD_1 = 10;
  return Buffer.concat([Buffer.from([0, 0, 0, 0, text.length + 2, STRING_FIELD_1, text.length]), Buffer.from(text, "ascii")]);
}

function createCertificate(): { certificate: string; key: string } {
  const pair = createKeyPair();
  const notBefore = new Date(Date.now() - DAY_MS);
  const notAfter = new Date(Date.now() + 30 * DAY_MS);
  const names = ["localhost", "127.0.0.1"].map(altNameFor);
  const content = { notBefore, notAfter, commonName: "localhost", publicKey: pair.publicKey, usage: "server", names } as const;
  const certificate = selfSign(content, pair.privateKey).toString();
  return { certificate, key: pair.privateKey.export({ type: "pkcs8", format: "pem" }) as string };
}

function createToken(key: KeyObject, subject: string, nowSeconds: number): string {
  const header = { alg: "RS256", typ: "JWT", kid: KEY_ID };
  const claims = { iss: ISSUER, aud: AUDIENCE, sub: subject, iat: nowSeconds, exp: nowSeconds + 86_400 };
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${sign("RSA-SHA256", Buffer.from(input), key).toString("base64url")}`;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
