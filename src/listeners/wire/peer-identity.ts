/** Who a client has proved to be: reads the certificate that the TLS handshake has verified. */
import type { X509Certificate } from "node:crypto";
import type { PeerIdentity } from "../../engine/model/request.js";

export function peerIdentity(certificate: X509Certificate): PeerIdentity {
  const names = subjectAltNames(certificate.subjectAltName ?? "");
  const uris = names.filter(({ type }) => type === "URI").map(({ value }) => value);
  const [first] = uris;
  return {
    subject: certificate.subject === undefined ? "" : certificate.subject.split("\n").join(","),
    dnsNames: names.filter(({ type }) => type === "DNS").map(({ value }) => value.toLowerCase()),
    uris,
    spiffeId: uris.length === 1 && first?.startsWith("spiffe://") === true ? first : "",
    fingerprint: certificate.fingerprint256,
  };
}

/** A session may be resumed after its certificate has ended; a handshake would have refused it. */
export function isValidAt(certificate: X509Certificate, nowMs: number): boolean {
  return Date.parse(certificate.validFrom) <= nowMs && nowMs < Date.parse(certificate.validTo);
}

interface AltName {
  readonly type: string;
  readonly value: string;
}

/**
 * Node writes `DNS:a.example, URI:spiffe://x/y`, and a value that could be misread in quotes, as JSON. Such values are no names
 * that anybody should be known by: they are left out.
 */
export function subjectAltNames(text: string): AltName[] {
  const entries = text.match(/[^",]+(?:"(?:[^"\\]|\\.)*"[^,]*)?/g) ?? [];
  return entries.flatMap((entry) => {
    const [, type, value] = /^ ?([A-Za-z ]+):([^"]*)$/.exec(entry) ?? [];
    return type === undefined || value === undefined ? [] : [{ type, value }];
  });
}
