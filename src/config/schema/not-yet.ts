/**
 * Words of the document's final shape that this version does not carry out. Whoever writes one is told so, and not that
 * it is unknown. Delete a line when its feature arrives.
 */

const KEYS: Readonly<Record<string, readonly string[]>> = {
  "": ["identity", "policies"],
  "routes.filters": ["cors", "authorize", "mirror"],
  services: ["mesh"],
  limits: ["redis", "onStoreFailure"],
  telemetry: ["tracing", "metrics"],
};

const VALUES: Readonly<Record<string, readonly string[]>> = {
  "listeners.protocol": ["tls", "tcp", "connect"],
  "routes.match.path.type": ["RegularExpression"],
  "limits.store": ["redis"],
};

export function isPlannedKey(path: readonly (string | number)[], key: string): boolean {
  return KEYS[withoutIndexes(path)]?.includes(key) === true;
}

export function isPlannedValue(path: readonly (string | number)[], value: unknown): boolean {
  return typeof value === "string" && VALUES[withoutIndexes(path)]?.includes(value) === true;
}

function withoutIndexes(path: readonly (string | number)[]): string {
  return path.filter((part) => typeof part === "string").join(".");
}
