/** Reads files of route tests: the same YAML, variables and located problems as the configuration's. */
import type { RequestDescription } from "../engine/model/explanation.js";
import { type DocumentPath, type Problem, sortProblems } from "./problems.js";
import { readTree } from "./read-tree.js";
import { type RouteExpectation, routeTestsSchema, type WrittenRouteTest } from "./schema/route-tests.js";
import { fileProblem, readSources, type SourceText, sourceFromText } from "./source.js";
import type { Environment } from "./substitute.js";
import { describePlace, placeOf, problemAt, type Tree } from "./tree.js";
import { checkAgainst } from "./validate.js";

export interface RouteTest {
  readonly name: string;
  readonly request: RequestDescription;
  /** Of a token that is taken for verified; null without. */
  readonly claims: Readonly<Record<string, unknown>> | null;
  readonly expect: RouteExpectation;
  /** `file:line`. */
  readonly place: string;
  /** A problem with a field of the request, found by whoever reads it. */
  problem(field: string, message: string): Problem;
}

export interface RouteTests {
  readonly file: string;
  readonly tests: readonly RouteTest[];
}

export type RouteTestsResult =
  | { readonly ok: true; readonly files: readonly RouteTests[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** `path` is a YAML file, or a directory of them; each is a list of its own. */
export function loadRouteTests(path: string, env: Environment = process.env): RouteTestsResult {
  const { texts, problems } = readSources(path);
  return readAll(texts, problems, env);
}

export function parseRouteTests(text: string, fileName: string, env: Environment = process.env): RouteTestsResult {
  return readAll([sourceFromText(text.replace(/^\uFEFF/, ""), fileName)], [], env);
}

function readAll(texts: readonly SourceText[], readProblems: readonly Problem[], env: Environment): RouteTestsResult {
  const results = texts.map((source) => readOne(source, env));
  const problems = [...readProblems, ...results.flatMap((result) => (result.ok ? [] : result.problems))];
  if (problems.length > 0) return { ok: false, problems: sortProblems(problems) };
  return { ok: true, files: results.flatMap((result) => (result.ok ? result.files : [])) };
}

function readOne(source: SourceText, env: Environment): RouteTestsResult {
  const { name } = source.file;
  const { tree, problems } = readTree(source, env);
  if (tree === null) return { ok: false, problems: problems.length > 0 ? problems : [fileProblem(name, "is empty")] };
  const checked = checkAgainst(tree, routeTestsSchema);
  if (!checked.ok || problems.length > 0) return { ok: false, problems: [...problems, ...(checked.ok ? [] : checked.problems)] };
  const doubled = sameNames(checked.value.tests, tree);
  if (doubled.length > 0) return { ok: false, problems: doubled };
  return { ok: true, files: [{ file: name, tests: checked.value.tests.map((test, index) => prepare(test, index, tree)) }] };
}

/** Reports and CI systems know a test by its name. */
function sameNames(tests: readonly WrittenRouteTest[], tree: Tree): Problem[] {
  const first = new Map<string, number>();
  return tests.flatMap(({ name }, index) => {
    const known = first.get(name);
    if (known === undefined) first.set(name, index);
    const path = ["tests", index, "name"];
    if (known === undefined) return [];
    return [
      problemAt(placeOf(tree, path), path, `is also the name of the test at ${describePlace(placeOf(tree, ["tests", known, "name"]))}`),
    ];
  });
}

function prepare({ name, request, expect }: WrittenRouteTest, index: number, tree: Tree): RouteTest {
  const path: DocumentPath = ["tests", index, "request"];
  const place = describePlace(placeOf(tree, ["tests", index]));
  const isText = typeof request === "string";
  return {
    name,
    ...(isText ? { request: { request }, claims: null } : describe(request)),
    expect,
    place,
    problem(field, message) {
      const full = isText ? path : [...path, FIELDS[field] ?? field];
      return problemAt(placeOf(tree, full), full, message);
    },
  };
}

/** Of a `RequestDescription` → as tests write them. */
const FIELDS: Readonly<Record<string, string>> = { request: "url", jwt: "token" };

function describe(request: Exclude<WrittenRouteTest["request"], string>): Pick<RouteTest, "request" | "claims"> {
  const { url, method, headers, claims, token, identity, address, listener } = request;
  const fields = Object.entries(headers).flatMap(([name, value]) =>
    (typeof value === "string" ? [value] : value).map((item) => [name, item] as const),
  );
  const others = Object.entries({ jwt: token, identity, address, listener }).filter(([, value]) => value !== undefined);
  return { request: { request: `${method} ${url}`, headers: fields, ...Object.fromEntries(others) }, claims: claims ?? null };
}
