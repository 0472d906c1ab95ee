/** Reads what a path or a `{file: …}` in the document points to, and reports it when that is not possible. */

import { countRoots } from "../certificates.js";
import type { DocumentPath } from "../problems.js";
import type { CheckContext } from "./check-document.js";

export type TextValue = string | { readonly file?: string | undefined };

/** The text of the file that the value at `path` names; null, and a problem, when it cannot be read. */
export function readFileAt(path: DocumentPath, file: string, context: CheckContext, hint?: string): string | null {
  const result = context.materials.read(context.checker.directoryOf(path), file);
  if (result.ok) return result.text;
  context.checker.error(path, `cannot read ${context.checker.quote(path)}: ${result.message}`, hint);
  return null;
}

/** Trusted roots: a path, `{file: path}`, or PEM text in place (as a variable may hold). */
export function readRoots(path: DocumentPath, value: TextValue | undefined, context: CheckContext): void {
  if (value === undefined) return;
  const isInline = typeof value === "string" && value.includes("-----BEGIN");
  const file = typeof value === "string" ? value : value.file;
  if (file === undefined) return;
  const at = typeof value === "string" ? path : [...path, "file"];
  const pem = isInline ? (value as string) : readFileAt(at, file, context);
  if (pem === null) return;
  if (countRoots(pem) === null) context.checker.error(at, "holds no PEM certificates, or one that cannot be parsed");
  else context.materials.setText(path, pem);
}
