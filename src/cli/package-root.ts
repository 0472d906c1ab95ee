/** Where this installation lies, and which version it is. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder with package.json and config/: three up from dist/src/cli. */
export const PACKAGE_ROOT = fileURLToPath(new URL("../../../", import.meta.url));

export function readVersion(): string {
  const manifest: { version?: string } = JSON.parse(readFileSync(join(PACKAGE_ROOT, "package.json"), "utf8"));
  return manifest.version ?? "unknown";
}
