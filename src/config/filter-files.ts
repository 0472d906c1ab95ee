/**
 * `{file: path}` where a filter takes text: the file's content is put in its place before the filter's schema sees it,
 * so filters need not know that files exist. The places are listed, since `file` may also be a header's name.
 */
import type { Materials } from "./materials.js";
import type { DocumentPath, Problem } from "./problems.js";
import { type MapTree, problemAt, type ScalarTree, type Tree } from "./tree.js";

/** Filter, then the path to the text; `*` is any key. Text in a header loses the line break at its end. */
export const TEXT_PLACES: readonly { readonly path: readonly string[]; readonly isHeader: boolean }[] = [
  { path: ["respond", "body"], isHeader: false },
  { path: ["respond", "headers", "*"], isHeader: true },
  { path: ["requestHeaders", "set", "*"], isHeader: true },
  { path: ["requestHeaders", "add", "*"], isHeader: true },
  { path: ["responseHeaders", "set", "*"], isHeader: true },
  { path: ["responseHeaders", "add", "*"], isHeader: true },
];

export function inlineFilterFiles(tree: Tree, materials: Materials): Problem[] {
  const problems: Problem[] = [];
  eachItem(childOf(tree, "routes"), (route, routeIndex) => {
    eachItem(childOf(route, "filters"), (entry, index) => {
      for (const { path, isHeader } of TEXT_PLACES) {
        visit(entry, path, ["routes", routeIndex, "filters", index], (map, key, at) =>
          inline(map, key, { at, isHeader, materials, problems }),
        );
      }
    });
  });
  return problems;
}

function childOf(tree: Tree | undefined, key: string): Tree | undefined {
  return tree?.kind === "map" ? tree.entries.get(key)?.value : undefined;
}

function eachItem(tree: Tree | undefined, visitItem: (item: Tree, index: number) => void): void {
  if (tree?.kind === "list") tree.items.forEach(visitItem);
}

type Visit = (map: MapTree, key: string, at: DocumentPath) => void;

function visit(tree: Tree | undefined, rest: readonly string[], at: DocumentPath, onPlace: Visit): void {
  if (tree?.kind !== "map") return;
  const [part, ...others] = rest;
  const keys = part === "*" ? [...tree.entries.keys()] : [part as string];
  for (const key of keys) {
    if (others.length === 0) onPlace(tree, key, [...at, key]);
    else visit(tree.entries.get(key)?.value, others, [...at, key], onPlace);
  }
}

interface InlineContext {
  readonly at: DocumentPath;
  readonly isHeader: boolean;
  readonly materials: Materials;
  readonly problems: Problem[];
}

function inline(map: MapTree, key: string, { at, isHeader, materials, problems }: InlineContext): void {
  const entry = map.entries.get(key);
  const fileNode = entry?.value.kind === "map" && entry.value.entries.size === 1 ? childOf(entry.value, "file") : undefined;
  if (entry === undefined || fileNode?.kind !== "scalar" || typeof fileNode.value !== "string") return;
  const written = `{file: ${fileNode.written ?? fileNode.value}}`;
  const result = materials.read(fileNode.file.directory, fileNode.value);
  if (!result.ok)
    problems.push(
      problemAt(fileNode, [...at, "file"], `cannot read ${JSON.stringify(fileNode.written ?? fileNode.value)}: ${result.message}`),
    );
  const text = result.ok ? result.text : "";
  const value: ScalarTree = {
    kind: "scalar",
    file: fileNode.file,
    offset: fileNode.offset,
    value: isHeader ? text.replace(/\r?\n$/, "") : text,
    written,
  };
  map.entries.set(key, { ...entry, value });
}
