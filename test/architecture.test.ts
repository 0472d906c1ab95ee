/**
 * Holds src/ to the layers and limits of ARCHITECTURE.md. The rules are data; an exception stands beside its rule and
 * says why. The checker itself is tested with made-up files, so that it is known to fail on a violation.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { describe, it } from "node:test";

// ── The rules ────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Layer → what it may import besides itself, as paths below src/ (`*` is one name, a trailing `/` the whole folder).
 * The most specific layer of a file counts.
 */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  "engine/model/": [],
  "engine/routing/": ["engine/model/"],
  "engine/balancing/": ["engine/model/"],
  "engine/resilience/": ["engine/model/"],
  "wire/": [],
  "proxy/": ["engine/"],
  "listeners/": ["wire/", "proxy/ports.ts", "proxy/web-socket-ports.ts", "engine/model/"],
  "upstream/": ["wire/", "proxy/ports.ts", "proxy/web-socket-ports.ts", "engine/model/"],
  "filters/": ["proxy/ports.ts", "engine/model/"],
  "telemetry/": ["proxy/ports.ts", "engine/model/"],
  "discovery/": ["engine/model/"],
  "registry/": ["engine/model/"],
  "identity/": ["engine/model/"],
  "limits/": ["engine/model/"],
  "config/": ["engine/model/", "filters/*/schema.ts"],
  "control/": [
    ...["engine/", "wire/", "proxy/", "listeners/", "upstream/", "filters/", "telemetry/"],
    ...["discovery/", "registry/", "identity/", "limits/", "config/", "admin/"],
  ],
  "admin/": ["engine/model/"],
  "cli/": ["config/", "control/", "engine/", "admin/views.ts"],
  "main.ts": ["cli/"],
};

/** Importer → import that its layer does not grant, and why it is right all the same. */
const IMPORT_EXCEPTIONS: readonly Exception[] = [
  { file: "cli/certs.ts", allows: "identity/", reason: "`certs dev` makes certificates without a running gateway" },
  { file: "cli/token.ts", allows: "identity/", reason: "`token` signs with the development keys, without a running gateway" },
  { file: "cli/quickstart.ts", allows: "identity/", reason: "`quickstart` makes its certificates and keys before the gateway starts" },
];

interface Exception {
  readonly file: string;
  readonly allows: string;
  readonly reason: string;
}

/** Filters do not know each other; what they share lies beside registry.ts, and only that file lists them. */
const FILTER_FOLDER = /^filters\/([^/]+)\//;

const PURE_LAYERS = ["engine/", "wire/"];
const IMPURE = [
  /\bDate\s*[.(]/,
  /\bnew Date\b/,
  /\bMath\.random\b/,
  /\bperformance\s*\./,
  /\bPromise\b/,
  /\b(?:async|await)\s/,
  /\bprocess\s*\./,
  /\bglobalThis\b/,
  /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask)\b/,
];

const SOCKET_ERROR_FILE = "upstream/socket-errors.ts";
const SOCKET_ERRORS = /\b(?:ECONNRESET|ECONNREFUSED|ECONNABORTED|EPIPE|ETIMEDOUT|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENOTFOUND|EAI_AGAIN)\b/;
const SOCKET_ERROR_EXCEPTIONS: readonly Exception[] = [
  { file: "admin/unix-socket.ts", allows: "ECONNREFUSED", reason: "it tells that a socket file has nobody behind it" },
  { file: "listeners/uws/listener.ts", allows: "ENOTFOUND", reason: "the name of a bind address can be unknown, too" },
];

const FORBIDDEN_FOLDERS = new Set(["utils", "util", "common", "helpers", "types"]);
const MAX_FILE_LINES = 500;
/** The process entry only hands over to cli/. */
const MAX_MAIN_LINES = 59;
const MAX_FILES_WITHOUT_README = 4;
const MAX_README_LINES = 30;

// ── The checker ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Path below src/ → content. */
type Tree = ReadonlyMap<string, string>;

function checkTree(tree: Tree): string[] {
  const files = [...tree].filter(([path]) => path.endsWith(".ts"));
  return [...files.flatMap(([path, text]) => checkFile(path, text)), ...checkFolders(tree)];
}

function checkFile(path: string, text: string): string[] {
  const code = withoutComments(text);
  const problems = importsOf(code).flatMap((specifier) => checkImport(path, specifier));
  const lines = text.trimEnd().split("\n").length;
  const maxLines = path === "main.ts" ? MAX_MAIN_LINES : MAX_FILE_LINES;
  if (lines > maxLines) problems.push(`${path} has ${lines} lines, more than ${maxLines}`);
  if (isWithin(path, PURE_LAYERS)) problems.push(...checkPurity(path, code));
  const socketError = SOCKET_ERRORS.exec(code)?.[0];
  if (socketError !== undefined && path !== SOCKET_ERROR_FILE && !isExcepted(SOCKET_ERROR_EXCEPTIONS, path, socketError)) {
    problems.push(`${path} knows ${socketError}, which only ${SOCKET_ERROR_FILE} may`);
  }
  return problems;
}

function checkImport(path: string, specifier: string): string[] {
  const isRelative = specifier.startsWith(".");
  if (isWithin(path, PURE_LAYERS) && !isRelative) return [`${path} is pure but imports ${specifier}`];
  if (!isRelative) return [];
  const imported = posix.join(posix.dirname(path), specifier).replace(/\.js$/, ".ts");
  const layer = layerOf(path);
  if (layer === null) return [`${path} belongs to no layer`];
  const [folder, importedFolder] = [FILTER_FOLDER.exec(path)?.[1], FILTER_FOLDER.exec(imported)?.[1]];
  const isOtherFilter = folder !== undefined && importedFolder !== undefined && folder !== importedFolder;
  const isAllowed = covers(layer, imported) || (LAYERS[layer] as readonly string[]).some((pattern) => covers(pattern, imported));
  if ((isAllowed && !isOtherFilter) || isExcepted(IMPORT_EXCEPTIONS, path, imported)) return [];
  return [`${path} imports ${imported}, which ${isOtherFilter ? "is another filter" : `${layer} may not`}`];
}

function checkPurity(path: string, code: string): string[] {
  return IMPURE.flatMap((pattern) => {
    const found = pattern.exec(code)?.[0];
    return found === undefined ? [] : [`${path} is pure but uses ${found.trim()}`];
  });
}

function checkFolders(tree: Tree): string[] {
  const counts = new Map<string, number>();
  for (const path of tree.keys()) {
    if (path.endsWith(".ts")) counts.set(posix.dirname(path), (counts.get(posix.dirname(path)) ?? 0) + 1);
  }
  return [...counts].flatMap(([folder, count]) => {
    const problems = folder.split("/").some((name) => FORBIDDEN_FOLDERS.has(name)) ? [`${folder} says nothing about what it holds`] : [];
    const readme = tree.get(posix.join(folder, "README.md"));
    if (readme === undefined && count > MAX_FILES_WITHOUT_README && folder !== ".")
      problems.push(`${folder} has ${count} files and no README.md`);
    if (readme !== undefined && readme.trimEnd().split("\n").length > MAX_README_LINES) {
      problems.push(`${folder}/README.md has more than ${MAX_README_LINES} lines`);
    }
    return problems;
  });
}

function layerOf(path: string): string | null {
  const layers = Object.keys(LAYERS).filter((layer) => covers(layer, path));
  return layers.sort((a, b) => b.length - a.length)[0] ?? null;
}

function covers(pattern: string, path: string): boolean {
  const source = pattern.replace(/[.]/g, "\\.").replaceAll("*", "[^/]+");
  return new RegExp(`^${source}${pattern.endsWith("/") ? "" : "$"}`).test(path);
}

function isWithin(path: string, layers: readonly string[]): boolean {
  return layers.some((layer) => covers(layer, path));
}

function isExcepted(exceptions: readonly Exception[], file: string, subject: string): boolean {
  return exceptions.some((exception) => exception.file === file && covers(exception.allows, subject));
}

/** Static and dynamic imports, re-exports, and types as in `import("x").Y`. */
function importsOf(code: string): string[] {
  const statements = /(?:^|[;\n])\s*(?:import|export)\b(?:[^;"'`]*?\bfrom)?\s*["']([^"']+)["']/g;
  const calls = /(?<![#.\w])(?:import|require)\s*\(\s*["'`]([^"'`]+)["'`]/g;
  return [...code.matchAll(statements), ...code.matchAll(calls)].map((found) => found[1] as string);
}

/** Blanks comments; strings, templates and regular expressions are skipped over, so that `"http://x"` survives. */
function withoutComments(text: string): string {
  const token =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[\s\S])*`|(?<=[(,=:[!&|?{};+\n]\s*|\breturn )\/(?![/*])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\//g;
  return text.replace(token, (found) => (found.startsWith("//") || found.startsWith("/*") ? " " : found));
}

function readTree(folder: string): Tree {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((path) => path.replaceAll("\\", "/"));
  return new Map(paths.filter((path) => /\.(?:ts|md)$/.test(path)).map((path) => [path, readFileSync(join(folder, path), "utf8")]));
}

// ── The source ───────────────────────────────────────────────────────────────────────────────────────────────────

describe("the source tree", () => {
  const tree = readTree("src");

  it("is there", () => {
    assert.ok(tree.size > 50);
    assert.ok(tree.has("engine/routing/match-route.ts"));
  });

  it("keeps to its layers and limits", () => {
    assert.deepEqual(checkTree(tree), []);
  });

  it("needs every exception it has been given", () => {
    const isNeeded = ({ file, allows }: Exception) => {
      const code = withoutComments(tree.get(file) ?? "");
      const imports = importsOf(code).map((specifier) => posix.join(dirname(file), specifier).replace(/\.js$/, ".ts"));
      return code.includes(allows) || imports.some((imported) => covers(allows, imported));
    };
    const idle = [...IMPORT_EXCEPTIONS, ...SOCKET_ERROR_EXCEPTIONS].filter((exception) => !isNeeded(exception));
    assert.deepEqual(idle, []);
  });
});

// ── The checker on made-up files ─────────────────────────────────────────────────────────────────────────────────

describe("the architecture checker", () => {
  const problemsOf = (path: string, text: string) => checkTree(new Map([[path, text]]));

  it("accepts what the layers allow", () => {
    const allowed: readonly (readonly [string, string])[] = [
      ["engine/routing/a.ts", 'import type { X } from "../model/x.js";\nimport { y } from "./y.js";'],
      ["wire/http1/a.ts", 'export { x } from "../http2/x.js";'],
      ["proxy/a.ts", 'import { x } from "../engine/routing/x.js";\nimport "node:fs";'],
      ["listeners/uws/a.ts", 'import { x } from "../../proxy/ports.js";\nimport { y } from "../../wire/http1/y.js";'],
      ["config/schema/a.ts", 'import { x } from "../../filters/jwt/schema.js";'],
      ["filters/jwt/a.ts", 'import { x } from "../fields.js";\nimport { y } from "./y.js";'],
      ["filters/registry.ts", 'import { x } from "./jwt/filter.js";'],
      ["control/a.ts", 'import { x } from "../upstream/x.js";'],
      ["cli/a.ts", 'const x = await import("../control/x.js");'],
      ["main.ts", 'import { main } from "./cli/command-line.js";'],
    ];
    for (const [path, text] of allowed) assert.deepEqual(problemsOf(path, text), [], path);
  });

  it("reports imports across layers, however they are written", () => {
    const forbidden: readonly (readonly [string, string])[] = [
      ["engine/model/a.ts", 'import { x } from "../routing/x.js";'],
      ["engine/routing/a.ts", 'import { x } from "../balancing/x.js";'],
      ["engine/routing/a.ts", 'import { readFileSync } from "node:fs";'],
      ["engine/routing/a.ts", 'export type X = import("zod").ZodType;'],
      ["wire/http1/a.ts", 'import type {\n  X,\n  Y,\n} from "../../engine/model/x.js";'],
      ["wire/http1/a.ts", 'import "buffer";'],
      ["proxy/a.ts", 'export * from "../upstream/x.js";'],
      ["proxy/a.ts", "import x from '../wire/http1/x.js';"],
      ["listeners/uws/a.ts", 'import { x } from "../../proxy/exchange.js";'],
      ["upstream/a.ts", 'import { x } from "../engine/routing/x.js";'],
      ["filters/jwt/a.ts", 'import { x } from "../cors/x.js";'],
      ["filters/jwt/a.ts", 'import { x } from "../../telemetry/x.js";'],
      ["config/a.ts", 'import { x } from "../filters/jwt/filter.js";'],
      ["limits/a.ts", 'const x = await import("../config/x.js");'],
      ["admin/a.ts", 'import { x } from "../control/x.js";'],
      ["control/a.ts", 'import { x } from "../cli/x.js";'],
      ["main.ts", 'import { x } from "./control/x.js";'],
      ["elsewhere/a.ts", 'import { x } from "../engine/model/x.js";'],
    ];
    for (const [path, text] of forbidden) assert.equal(problemsOf(path, text).length, 1, `${path}: ${text}`);
  });

  it("reports clocks, randomness, promises and the process in pure layers only", () => {
    const impure = ["Date.now();", "new Date();", "Math.random();", "performance.now();", "Promise.resolve();", "async () => {};"];
    const more = ["process.env.X;", "setTimeout(f, 1);", "queueMicrotask(f);", "let x: Promise<void>;", "globalThis.fetch;"];
    for (const code of [...impure, ...more]) {
      assert.ok(problemsOf("engine/balancing/a.ts", code).length > 0, code);
      assert.ok(problemsOf("wire/http1/a.ts", `const slash = /[/"']/;\nconst url = "http://x"; ${code}`).length > 0, code);
      assert.deepEqual(problemsOf("proxy/a.ts", code), [], code);
      assert.deepEqual(problemsOf("engine/balancing/a.ts", `// ${code}\n/* ${code} */\nexport const x = 1; // ${code}`), [], code);
    }
  });

  it("reports socket errors outside their file, but not in comments", () => {
    assert.equal(problemsOf("upstream/pool.ts", 'if (error.code === "ECONNRESET") return;').length, 1);
    assert.equal(problemsOf("listeners/uws/listener.ts", 'const x = "EPIPE";').length, 1);
    assert.deepEqual(problemsOf("listeners/uws/listener.ts", 'const x = "ENOTFOUND";'), []);
    assert.deepEqual(problemsOf("upstream/pool.ts", "// ECONNRESET is handled elsewhere"), []);
    assert.deepEqual(problemsOf(SOCKET_ERROR_FILE, 'const x = "ECONNRESET";'), []);
  });

  it("reports long files, vague folders and missing or long READMEs", () => {
    assert.equal(problemsOf("proxy/a.ts", "x;\n".repeat(501)).length, 1);
    assert.deepEqual(problemsOf("proxy/a.ts", "x;\n".repeat(500)), []);
    assert.equal(problemsOf("main.ts", "x;\n".repeat(60)).length, 1);
    assert.deepEqual(problemsOf("main.ts", "x;\n".repeat(59)), []);
    assert.equal(problemsOf("proxy/utils/a.ts", "").length, 1);
    const files = ["a", "b", "c", "d", "e"].map((name) => [`proxy/${name}.ts`, ""] as const);
    assert.equal(checkTree(new Map(files)).length, 1);
    assert.deepEqual(checkTree(new Map(files.slice(1))), []);
    assert.deepEqual(checkTree(new Map([...files, ["proxy/README.md", "x\n".repeat(30)]])), []);
    assert.equal(checkTree(new Map([...files, ["proxy/README.md", "x\n".repeat(31)]])).length, 1);
  });
});
