/** What the configuration tests share: small documents, throw-away certificates, and short ways to look at problems. */

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import forge from "node-forge";
import { type ConfigResult, formatProblem, type LoadOptions, type Problem, parseConfig } from "../../../src/config/index.js";
import type { Snapshot } from "../../../src/engine/model/snapshot.js";

export const MINIMAL = `
listeners:
  - { name: public, bind: "127.0.0.1:8080", protocol: http }
`;

/** A document with one route; `route` is added to it as flow or block YAML at four spaces. */
export function withRoute(route: string): string {
  return `${MINIMAL}
services:
  - { name: orders, endpoints: { static: [{ address: 127.0.0.1:9101 }] } }
providers:
  jwt:
    - { name: dev, issuer: https://dev.local, jwks: { uri: https://dev.local/jwks } }
routes:
  - name: first
${route}
`;
}

export const BACKENDS = "    backends: [{ service: orders }]\n";

export function problemsOf(result: ConfigResult): readonly Problem[] {
  return result.ok ? [] : result.problems;
}

/** The formatted problems of a document that must not compile. */
export function refuse(text: string, options: LoadOptions = {}): string[] {
  const result = parseConfig(text, "test.yaml", { env: {}, ...options });
  assert.equal(result.ok, false, "the document should not compile");
  return problemsOf(result).map(formatProblem);
}

/** The snapshot and the formatted warnings of a document that must compile. */
export function accept(text: string, options: LoadOptions & { fileName?: string } = {}): { snapshot: Snapshot; warnings: string[] } {
  const result = parseConfig(text, options.fileName ?? "test.yaml", { env: {}, ...options });
  assert.deepEqual(problemsOf(result).map(formatProblem), []);
  assert.ok(result.ok);
  return { snapshot: result.snapshot, warnings: result.warnings.map(formatProblem) };
}

/** A directory that is gone after the test. */
export function temporaryDirectory(context: TestContext, files: Readonly<Record<string, string>> = {}): string {
  const directory = mkdtempSync(join(tmpdir(), "windrose-config-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), content);
  }
  return directory;
}

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** Making an RSA key is slow: every certificate of a test file uses the same one unless it asks for its own. */
let sharedKey: string | null = null;

export function makeKey(): string {
  return generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" }) as string;
}

/** PEM of a self-signed certificate for `names`; valid for a year around now unless `notAfter` says otherwise. */
export function makeCertificate(
  names: readonly string[],
  options: { notBefore?: Date; notAfter?: Date; key?: string } = {},
): CertificateFiles {
  sharedKey ??= makeKey();
  const key = options.key ?? sharedKey;
  const privateKey = forge.pki.privateKeyFromPem(key);
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.setRsaPublicKey(privateKey.n, privateKey.e);
  certificate.serialNumber = "01";
  certificate.validity.notBefore = options.notBefore ?? new Date(Date.now() - 86_400_000);
  certificate.validity.notAfter = options.notAfter ?? new Date(Date.now() + 365 * 86_400_000);
  const subject = [{ name: "commonName", value: names[0] ?? "nobody" }];
  certificate.setSubject(subject);
  certificate.setIssuer(subject);
  if (names.length > 0) certificate.setExtensions([{ name: "subjectAltName", altNames: names.map((value) => ({ type: 2, value })) }]);
  certificate.sign(privateKey, forge.md.sha256.create());
  return { cert: forge.pki.certificateToPem(certificate), key };
}

/** A document with an https listener for certificates `0.pem`, `0-key.pem`, `1.pem`, … next to it. */
export function httpsDocument(count = 1): string {
  const certificates = Array.from({ length: count }, (_, i) => `{ cert: ${i}.pem, key: ${i}-key.pem }`).join(", ");
  return `
listeners:
  - name: public
    bind: 127.0.0.1:8443
    protocol: https
    tls:
      certificates: [${certificates}]
`;
}
