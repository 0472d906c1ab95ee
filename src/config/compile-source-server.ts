/** Servers that sources ask: URLs without slashes at their ends, and what TLS needs as text. */
import type { SourceServersSpec } from "../engine/model/endpoint-source.js";
import type { Materials } from "./materials.js";
import type { DocumentPath } from "./problems.js";
import type { ServerTls } from "./schema/source-server.js";

/** @param at of the source, which holds `urls` and `tls` */
export function compileSourceServers(
  { urls, tls }: { readonly urls: readonly string[]; readonly tls?: ServerTls | undefined },
  at: DocumentPath,
  materials: Materials,
): SourceServersSpec {
  const certificate = materials.certificate([...at, "tls", "certificate"]);
  return {
    urls: urls.map((url) => url.replace(/\/+$/, "")),
    tls: {
      caPem: materials.text([...at, "tls", "ca"]),
      certPem: certificate?.certPem ?? "",
      keyPem: certificate?.keyPem ?? "",
      serverName: tls?.serverName?.toLowerCase() ?? "",
      isVerified: tls?.insecureSkipVerify !== true,
    },
  };
}
