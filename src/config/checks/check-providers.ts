/** JWT providers: exactly one source of keys, and algorithms that its keys can carry without confusion. */
import { inspectKey, type Jwk, type KeyFamily, parseKeySet } from "../key-sets.js";
import type { DocumentPath } from "../problems.js";
import { isLoopback } from "../schema/addresses.js";
import { SYMMETRIC_ALGORITHMS } from "../schema/provider.js";
import type { CheckContext, DocumentDraft } from "./check-document.js";
import { readFileAt, readRoots } from "./read-text.js";

type ProviderDraft = NonNullable<NonNullable<NonNullable<DocumentDraft["providers"]>["jwt"]>[number]>;

const SOURCES = ["uri", "file", "inline"] as const;
const URI_ONLY = ["refresh", "cooldown", "timeout", "ca"] as const;

export function checkProviders(document: DocumentDraft, context: CheckContext): void {
  (document.providers?.jwt ?? []).forEach((provider, index) => {
    if (provider !== undefined) checkProvider(provider, ["providers", "jwt", index], context);
  });
}

function checkProvider(provider: ProviderDraft, path: DocumentPath, context: CheckContext): void {
  const { checker } = context;
  const at = [...path, "jwks"];
  const written = SOURCES.filter((source) => checker.isWritten([...at, source]));
  if (checker.isWritten(at) && written.length !== 1) checker.error(at, "needs exactly one of uri, file and inline");
  if (provider.issuer === "" && provider.audiences?.length === 0) {
    checker.warn(path, "checks neither issuer nor audience: any token signed with these keys is accepted", "write issuer and audiences");
  }
  const families = checkAlgorithms(provider.algorithms, [...path, "algorithms"], context);
  if (written.length !== 1 || provider.jwks === undefined) return;
  if (written[0] === "uri") checkUri(provider, families, path, context);
  else checkFixed(provider, families, path, context);
}

/** @returns the families that the written algorithms belong to; null when nothing (valid) is written */
function checkAlgorithms(algorithms: ProviderDraft["algorithms"], path: DocumentPath, context: CheckContext): Set<KeyFamily> | null {
  if (algorithms === undefined || algorithms.includes(undefined)) return null;
  const families = new Set((algorithms as readonly string[]).map(familyOf));
  if (families.size < 2) return families;
  context.checker.error(path, "must not mix HS* with other algorithms: a public key could be used as a secret", "make two providers");
  return null;
}

function familyOf(algorithm: string): KeyFamily {
  return (SYMMETRIC_ALGORITHMS as readonly string[]).includes(algorithm) ? "symmetric" : "asymmetric";
}

function checkUri(provider: ProviderDraft, families: Set<KeyFamily> | null, path: DocumentPath, context: CheckContext): void {
  const { checker } = context;
  const at = [...path, "jwks", "uri"];
  if (families?.has("symmetric") === true) {
    checker.error([...path, "algorithms"], "HS* needs keys from jwks.file or jwks.inline: a secret is not fetched from a public address");
  }
  const uri = provider.jwks?.uri;
  if (uri?.startsWith("http:") === true && !isLoopback(new URL(uri).hostname)) {
    checker.warn(at, "keys are fetched without TLS: anyone in between can replace them", "use https");
  }
  readRoots([...path, "jwks", "ca"], provider.jwks?.ca, context);
}

function checkFixed(provider: ProviderDraft, families: Set<KeyFamily> | null, path: DocumentPath, context: CheckContext): void {
  const { checker } = context;
  for (const key of URI_ONLY) {
    if (checker.isWritten([...path, "jwks", key])) checker.error([...path, "jwks", key], "has an effect only with jwks.uri");
  }
  const found = readKeys(provider, path, context);
  if (found === null || found.keys.length === 0) return;
  const keys = checkKeys(found.keys, found.at, context);
  if (keys === null) return;
  context.materials.setKeys(
    [...path, "jwks"],
    keys.map((key) => key.jwk),
  );
  checkFit(provider, families, { keys, at: found.at, path }, context);
}

interface KeySource {
  readonly keys: readonly Jwk[];
  /** Path of each key, or of the file for all of them. */
  readonly at: DocumentPath;
}

function readKeys(provider: ProviderDraft, path: DocumentPath, context: CheckContext): KeySource | null {
  const inline = provider.jwks?.inline?.keys;
  if (inline !== undefined)
    return inline.includes(undefined) ? null : { keys: inline as readonly Jwk[], at: [...path, "jwks", "inline", "keys"] };
  const file = provider.jwks?.file;
  const at = [...path, "jwks", "file"];
  const text = file === undefined ? null : readFileAt(at, file, context);
  if (text === null) return null;
  const keys = parseKeySet(text);
  if (typeof keys !== "string") return { keys, at };
  context.checker.error(at, `${context.checker.quote(at)} ${keys}`);
  return null;
}

type UsableKey = Extract<ReturnType<typeof inspectKey>, { ok: true }>;

function checkKeys(keys: readonly Jwk[], at: DocumentPath, context: CheckContext): UsableKey[] | null {
  const { checker } = context;
  const isInline = at.at(-1) === "keys";
  const usable: UsableKey[] = [];
  keys.forEach((jwk, index) => {
    const path = isInline ? [...at, index] : at;
    const result = inspectKey(jwk);
    if (!result.ok) checker.error(path, `key ${index + 1} ${result.message}`, result.hint);
    else usable.push(result);
    if (result.ok && result.hasPrivatePart)
      checker.warn(path, `key ${index + 1} holds a private key`, "the public part is enough to verify; keep the rest away from here");
  });
  return usable.length === keys.length ? usable : null;
}

function checkFit(
  provider: ProviderDraft,
  families: Set<KeyFamily> | null,
  set: { readonly keys: readonly UsableKey[]; readonly at: DocumentPath; readonly path: DocumentPath },
  context: CheckContext,
): void {
  const { checker } = context;
  const kinds = new Set(set.keys.map((key) => key.family));
  if (kinds.size > 1) {
    checker.error(set.at, "must not mix secrets (oct) with public keys", "make two providers");
    return;
  }
  const isWritten = checker.isWritten([...set.path, "algorithms"]);
  if (!isWritten && kinds.has("symmetric")) {
    checker.error(set.at, "holds secrets (oct), whose algorithms must be written", "add algorithms: [HS256]");
    return;
  }
  if (isWritten && families === null) return;
  const allowed = new Set(provider.algorithms ?? []);
  const fits = set.keys.some((key) => key.algorithms.some((algorithm) => !isWritten || allowed.has(algorithm as never)));
  if (!fits)
    checker.error(
      isWritten ? [...set.path, "algorithms"] : set.at,
      "no key of the set can be used with an allowed algorithm: every token would be refused",
    );
}
