/** The examples in config/ and what they refer to, made up. */
import { generateKeyPairSync } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { TestContext } from "node:test";
import { makeCertificate, temporaryDirectory } from "./fixtures.js";

export const ENV = { WINDROSE_ADMIN_TOKEN: "0123456789abcdef0123456789abcdef" };

/** Their route tests; no configuration. */
const TESTS = "tests";

export const examples = readdirSync("config").filter(
  (name) => /\.ya?ml$/.test(name) || (name !== TESTS && statSync(join("config", name)).isDirectory()),
);

/** Writes what the document refers to: `cert: x`, `key: y`, `ca: z` and key sets. */
export function makeReferences(yamlPath: string): void {
  const text = readFileSync(yamlPath, "utf8").replaceAll(/#.*/g, "");
  const { cert, key } = makeCertificate(["localhost", `${yamlPath.length}.example`]);
  const write = (relative: string, content: string): void => {
    const path = resolve(dirname(yamlPath), relative);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  };
  const names = [...text.matchAll(/cert: ([^\s,}]+)/g)].map((match) => match[1] as string);
  // Each with a name of its own: the same name in two certificates of a listener is a warning.
  names.forEach((name, i) => write(name, makeCertificate([`${i}.example`]).cert));
  for (const [, name] of text.matchAll(/key: (\S+\.pem)/g)) write(name as string, key);
  for (const [, name] of text.matchAll(/ca: (\S+\.pem)/g)) write(name as string, cert);
  for (const [, name] of text.matchAll(/file: (\S+\.json)/g))
    write(
      name as string,
      JSON.stringify({ keys: [generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "jwk" })] }),
    );
}

export function yamlFilesOf(path: string): string[] {
  return statSync(path).isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [path];
}

/** A copy of config/ in which every example compiles; its path. */
export function copyExamples(context: TestContext): string {
  const root = temporaryDirectory(context);
  cpSync("config", join(root, "config"), { recursive: true });
  for (const example of examples) for (const file of yamlFilesOf(join(root, "config", example))) makeReferences(file);
  return join(root, "config");
}
