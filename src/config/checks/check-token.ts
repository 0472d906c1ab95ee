/** Bearer tokens of the document, in place or in files. */
import type { DocumentPath } from "../problems.js";
import type { CheckContext } from "./check-document.js";
import { readFileAt, type TextValue } from "./read-text.js";

/** What the gateway itself hands out; what others do may be signed, and longer. */
const MAX_LENGTH = 1024;

/** The token, checked and kept for the compiler; null when there is none or it cannot be read. */
export function checkToken(
  path: DocumentPath,
  value: TextValue | undefined,
  context: CheckContext,
  maxLength: number = MAX_LENGTH,
): string | null {
  const { checker, materials } = context;
  const token = readToken(path, value, context);
  if (token === null) return null;
  if (!/^[\x21-\x7e]+$/.test(token)) checker.error(path, "must be printable ASCII without spaces, and not empty");
  else if (token.length > maxLength) checker.error(path, `is longer than ${maxLength.toLocaleString("en")} characters`);
  else if (token.length < 16) checker.warn(path, "is short enough to be guessed", "use 32 random characters or more");
  materials.setText(path, token);
  return token;
}

/** As checkToken; any line of text, however short. */
export function checkPassword(path: DocumentPath, value: TextValue | undefined, context: CheckContext): string | null {
  const password = readToken(path, value, context);
  if (password === null) return null;
  if (password === "") context.checker.error(path, "must not be empty");
  else if (password.length > 1024) context.checker.error(path, "is longer than 1,024 characters");
  else if (/[\u0000-\u001f\u007f]/.test(password)) context.checker.error(path, "must not hold line breaks or other control characters");
  context.materials.setText(path, password);
  return password;
}

/** A user and a password, or neither. @param at of what holds both */
export function checkUser(at: DocumentPath, { checker }: CheckContext): void {
  const hasUser = checker.isWritten([...at, "username"]);
  if (hasUser === checker.isWritten([...at, "password"])) return;
  checker.error(at, hasUser ? "has a username without a password" : "has a password without a username");
}

function readToken(path: DocumentPath, value: TextValue | undefined, context: CheckContext): string | null {
  if (value === undefined) return null;
  if (typeof value === "string") return value;
  if (value.file === undefined) return null;
  // Editors and `echo` end a file with a line break that nobody means.
  return readFileAt([...path, "file"], value.file, context)?.replace(/\r?\n$/, "") ?? null;
}
