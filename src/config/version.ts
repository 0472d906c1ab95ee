/**
 * The version of a snapshot: a digest of what it says. Equal documents have equal versions, whatever the order of their
 * keys, their comments, or the directory they lie in; a renewed certificate under the same path makes a new version.
 */
import { createHash } from "node:crypto";
import type { Snapshot, WireSpec } from "../engine/model/snapshot.js";
import type { CompileInput } from "./compile.js";

export function versionOf(content: Omit<Snapshot, "version">, { document, materials }: CompileInput): string {
  const listeners = content.listeners.map((listener, index) => {
    const certificates = listener.tls?.certificates.map(
      (_, position) => materials.certificate(["listeners", index, "tls", "certificates", position])?.fingerprint,
    );
    return { ...listener, tls: certificates ?? null, wire: wireIdentity(listener.wire) };
  });
  // `auto` and not the number it stands for here; the path as written and not where it leads here.
  const identity = { ...content, listeners, workers: document.workers, telemetry: document.telemetry };
  return createHash("sha256").update(canonicalJson(identity)).digest("hex").slice(0, 16);
}

/** Certificates are known by their fingerprints; keys belong to them. */
function wireIdentity(wire: WireSpec | null): unknown {
  return wire?.tls == null ? wire : { ...wire, tls: { ...wire.tls, pems: null } };
}

/** JSON with the keys of every map in order. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
