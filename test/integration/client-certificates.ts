/** Certificates of clients and the authorities that issue them, made with openssl. Not a test itself. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface IssuedCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateWish {
  /** `/C=DE/CN=x`, or `CN=x` alone. */
  readonly subject: string;
  /** `DNS:…`, `URI:…`. */
  readonly names?: readonly string[];
  /** Itself when missing. */
  readonly issuer?: IssuedCertificate;
  readonly isAuthority?: boolean;
  readonly isExpired?: boolean;
}

export function issueCertificate({
  subject,
  names = [],
  issuer,
  isAuthority = false,
  isExpired = false,
}: CertificateWish): IssuedCertificate {
  const directory = mkdtempSync(join(tmpdir(), "windrose-issue-"));
  const path = (name: string): string => join(directory, name);
  try {
    const extensions = [`basicConstraints=critical,CA:${isAuthority ? "TRUE" : "FALSE"}`];
    if (names.length > 0) extensions.push(`subjectAltName=${names.join(",")}`);
    writeFileSync(path("extensions"), extensions.join("\n"));
    const distinguished = subject.startsWith("/") ? subject : `/${subject}`;
    const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path("key")];
    execFileSync("openssl", ["req", "-new", ...newKey, "-subj", distinguished, "-out", path("csr")], { stdio: "ignore" });
    const days = ["-days", isExpired ? "-1" : "2"];
    const common = ["x509", "-req", "-in", path("csr"), "-extfile", path("extensions"), ...days, "-out", path("cert")];
    if (issuer === undefined) execFileSync("openssl", [...common, "-signkey", path("key")], { stdio: "ignore" });
    else {
      writeFileSync(path("ca"), issuer.cert);
      writeFileSync(path("ca-key"), issuer.key);
      execFileSync("openssl", [...common, "-CA", path("ca"), "-CAkey", path("ca-key"), "-CAcreateserial"], { stdio: "ignore" });
    }
    return { cert: readFileSync(path("cert"), "utf8"), key: readFileSync(path("key"), "utf8") };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
