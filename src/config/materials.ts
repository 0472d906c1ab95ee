/**
 * Everything the document points to outside itself, read once: certificates, trusted roots, key sets, tokens. Filled by
 * the checks, used by the compiler; keyed by the place in the document that asks for it.
 */
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { LoadedCertificate } from "./certificates.js";
import type { Jwk } from "./key-sets.js";
import { type DocumentPath, formatPath } from "./problems.js";
import { reason } from "./source.js";
import { canonicalJson, digestOf } from "./version.js";

/** Certificates, keys and key sets are kilobytes; anything larger is the wrong file. */
const MAX_BYTES = 4 * 1024 * 1024;

export type FileRead = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly message: string };

export class Materials {
  /** Absolute paths of all files read, for whoever watches them. */
  readonly files = new Set<string>();
  readonly #texts = new Map<string, string>();
  readonly #certificates = new Map<string, LoadedCertificate>();
  readonly #keySets = new Map<string, readonly Jwk[]>();
  readonly #reads = new Map<string, FileRead>();

  /** Reads a file at most once, so that one load sees one state of it. */
  read(directory: string, path: string): FileRead {
    const absolute = resolve(directory, path);
    this.files.add(absolute);
    const known = this.#reads.get(absolute);
    if (known !== undefined) return known;
    const result = readSmallFile(absolute);
    this.#reads.set(absolute, result);
    return result;
  }

  setText(path: DocumentPath, text: string): void {
    this.#texts.set(formatPath(path), text);
  }

  text(path: DocumentPath): string {
    return this.#texts.get(formatPath(path)) ?? "";
  }

  setCertificate(path: DocumentPath, certificate: LoadedCertificate): void {
    this.#certificates.set(formatPath(path), certificate);
  }

  certificate(path: DocumentPath): LoadedCertificate | undefined {
    return this.#certificates.get(formatPath(path));
  }

  setKeys(path: DocumentPath, keys: readonly Jwk[]): void {
    this.#keySets.set(formatPath(path), keys);
  }

  keys(path: DocumentPath): readonly Jwk[] {
    return this.#keySets.get(formatPath(path)) ?? [];
  }

  /** Digests of all of it, so that documents can be compared when their files are no longer what they were. Path → digest. */
  contents(): ReadonlyMap<string, string> {
    const certificates = [...this.#certificates].map(([path, { certPem }]) => [path, digestOf(certPem)] as const);
    const texts = [...this.#texts].map(([path, text]) => [path, digestOf(text)] as const);
    const keySets = [...this.#keySets].map(([path, keys]) => [path, digestOf(canonicalJson(keys))] as const);
    return new Map([...certificates, ...texts, ...keySets]);
  }
}

function readSmallFile(path: string): FileRead {
  try {
    const status = statSync(path);
    // A pipe or a device could block the process for ever.
    if (!status.isFile()) return { ok: false, message: status.isDirectory() ? "it is a directory" : "it is not a regular file" };
    if (status.size > MAX_BYTES) return { ok: false, message: "it is larger than 4 MiB" };
    return { ok: true, text: readFileSync(path, "utf8").replace(/^\uFEFF/, "") };
  } catch (error) {
    return { ok: false, message: reason(error) };
  }
}
