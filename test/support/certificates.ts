/** Certificates for tests. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEVELOPMENT_FILES, ensureDevelopmentCertificates } from "../../src/identity/dev-certificates.js";

export interface CertificateFiles extends Record<string, string> {
  readonly "edge.pem": string;
  readonly "edge-key.pem": string;
  readonly "ca.pem": string;
}

/** The value of a listener's `tls` that uses them. */
export const EDGE_TLS = "{ certificates: [{ cert: edge.pem, key: edge-key.pem }] }";

/** Development certificates as files for `startGateway`: `edge.pem` and `edge-key.pem` for localhost and 127.0.0.1, `ca.pem` for clients. */
export async function developmentCertificates(): Promise<CertificateFiles> {
  const directory = mkdtempSync(join(tmpdir(), "windrose-certificates-"));
  try {
    await ensureDevelopmentCertificates({ directory, hosts: [], isForced: false, now: new Date() });
    const read = (name: string): string => readFileSync(join(directory, name), "utf8");
    return {
      "edge.pem": read(DEVELOPMENT_FILES.server),
      "edge-key.pem": read(DEVELOPMENT_FILES.serverKey),
      "ca.pem": read(DEVELOPMENT_FILES.ca),
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Self-signed, valid for two days, for these DNS names. */
export function selfSigned(...names: string[]): { readonly cert: string; readonly key: string } {
  const directory = mkdtempSync(join(tmpdir(), "certificate-"));
  const [certPath, keyPath] = [join(directory, "cert.pem"), join(directory, "key.pem")];
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=test"];
  const san = ["-addext", `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}`];
  try {
    execFileSync("openssl", [...request, ...san, "-keyout", keyPath, "-out", certPath], { stdio: "ignore" });
    return { cert: readFileSync(certPath, "utf8"), key: readFileSync(keyPath, "utf8") };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
