/** The admin API: a token whenever others than this machine can reach it. */
import { isLoopback, parseAddress } from "../schema/addresses.js";
import type { CheckContext, DocumentDraft } from "./check-document.js";
import { readFileAt } from "./read-text.js";

const PATH = ["admin", "token"];

export function checkAdmin(document: DocumentDraft, context: CheckContext): void {
  const { checker } = context;
  const address = parseAddress(document.admin?.bind ?? "");
  if (address !== null && !isLoopback(address.host) && !checker.isWritten(PATH)) {
    checker.error(
      ["admin", "bind"],
      `${checker.quote(["admin", "bind"])} can be reached from outside, so a token is required`,
      "add admin.token, or bind to 127.0.0.1",
    );
  }
  const token = readToken(document.admin?.token, context);
  if (token === null) return;
  if (!/^[\x21-\x7e]+$/.test(token)) checker.error(PATH, "must be printable ASCII without spaces, and not empty");
  else if (token.length < 16) checker.warn(PATH, "is short enough to be guessed", "use 32 random characters or more");
  context.materials.setText(PATH, token);
}

function readToken(value: string | { readonly file?: string | undefined } | undefined, context: CheckContext): string | null {
  if (value === undefined) return null;
  if (typeof value === "string") return value;
  if (value.file === undefined) return null;
  // Editors and `echo` end a file with a line break that nobody means.
  return readFileAt([...PATH, "file"], value.file, context)?.replace(/\r?\n$/, "") ?? null;
}
