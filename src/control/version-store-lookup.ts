/** Which version someone means: an id or its beginning, a sequence, or how many before the newest. */
import type { ConfigVersion } from "../engine/model/configuration.js";

export type Lookup = { readonly isFound: true; readonly version: ConfigVersion } | { readonly isFound: false; readonly message: string };

/** Shorter ones would too often be a mistake. */
const MIN_PREFIX = 4;

/**
 * @param id `3f2a9c…` (at least four digits), `#12` or `12` (a sequence), `latest`, `latest~1` or `~1` (the one before the newest)
 * @param versions newest first
 */
export function lookUpVersion(id: string, versions: readonly ConfigVersion[]): Lookup {
  const wanted = id.trim().toLowerCase();
  // A shell may take `~0` for a folder, but never `latest~0`.
  const relative = wanted === "" ? null : /^(?:latest)?(~(\d{0,6}))?$/.exec(wanted);
  if (relative !== null) {
    const distance = relative[1] === undefined ? 0 : Number(relative[2] || 1);
    return one(versions.slice(distance, distance + 1), `there are only ${versions.length} versions`);
  }
  const [, hash, number] = /^(#?)(\d{1,15})$/.exec(wanted) ?? [];
  const bySequence = number === undefined ? [] : versions.filter(({ sequence }) => sequence === Number(number));
  if (hash === "#") return one(bySequence, `there is no version #${number}`);
  if (!/^[0-9a-f]+$/.test(wanted)) return missing(`${JSON.stringify(id)} is neither a version nor a sequence such as #12`);
  if (wanted.length < MIN_PREFIX && number === undefined) return missing(`${JSON.stringify(id)} is too short: give at least four digits`);
  const byId = wanted.length < MIN_PREFIX ? [] : versions.filter(({ version }) => version.startsWith(wanted));
  return one([...byId, ...bySequence], `there is no version ${wanted}`);
}

/** The same version may have been accepted several times: the last one counts. */
function one(candidates: readonly ConfigVersion[], otherwise: string): Lookup {
  const [first] = candidates;
  if (first === undefined) return missing(otherwise);
  const different = [...new Set(candidates.map(({ version }) => version))];
  if (different.length === 1) return { isFound: true, version: first };
  const shown = different.slice(0, 5).join(", ");
  return missing(`several versions fit: ${shown}${different.length > 5 ? ", …" : ""}`);
}

function missing(message: string): Lookup {
  return { isFound: false, message };
}
