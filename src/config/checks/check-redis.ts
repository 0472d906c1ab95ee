/** A Redis server of the document: a URL that says where it is, and TLS that has an effect. */
import type { DocumentPath } from "../problems.js";
import { isLoopback } from "../schema/addresses.js";
import { parseRedisUrl } from "../schema/redis.js";
import type { CheckContext } from "./check-document.js";
import { checkSourceServer, type SourceServerDraft } from "./check-source-server.js";
import { readFileAt, type TextValue } from "./read-text.js";

export interface RedisDraft {
  readonly url?: TextValue | undefined;
  readonly tls?: SourceServerDraft["tls"];
}

export function checkRedis({ url, tls }: RedisDraft, at: DocumentPath, context: CheckContext): void {
  const { checker, materials } = context;
  const path = [...at, "url"];
  // Editors and `echo` end a file with a line break that nobody means.
  const text = typeof url === "string" ? url : url?.file && readFileAt([...path, "file"], url.file, context)?.replace(/\r?\n$/, "");
  checkSourceServer({ tls }, at, context);
  if (text === undefined || text === "") return;
  materials.setText(path, text);
  const parsed = parseRedisUrl(text);
  if (typeof parsed === "string") return checker.error(path, parsed);
  const { isSecure, password, host } = parsed;
  if (!isSecure && checker.isWritten([...at, "tls"])) checker.error([...at, "tls"], "has no effect with redis://", "write rediss://");
  if (!isSecure && password !== "" && !isLoopback(host)) {
    checker.warn(path, "sends the password and all registrations in the clear", "write rediss://");
  }
}
