/** Certificates for tests, made by openssl. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

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
