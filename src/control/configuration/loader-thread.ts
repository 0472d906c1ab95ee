/**
 * Thread that compiles configurations, so that the primary answers its workers meanwhile: ten thousand routes take about a
 * second. It remembers what it has loaded last, because the next document is compared with it.
 */
import { parentPort } from "node:worker_threads";
import {
  type ConfigResult,
  diffDocuments,
  type LoadedDocument,
  loadConfig,
  loadTexts,
  PieceCache,
  redactDocument,
} from "../../config/index.js";
import type { ObjectChange } from "../../engine/model/configuration.js";
import type { CompareReply, LoadedText, LoadOrder, LoadReply, LoadSource, NotLoaded } from "./loader-messages.js";

/** By version; what is served and what may be next. */
const MAX_REMEMBERED = 2;
const pieces = new PieceCache();
const remembered = new Map<string, LoadedDocument>();

function loadFrom(source: LoadSource): ConfigResult {
  return source.type === "path"
    ? loadConfig(source.path, { pieces, isFilesOnly: true })
    : loadTexts(source.folder, source.texts, { pieces });
}

function remember(version: string, document: LoadedDocument): void {
  remembered.delete(version);
  remembered.set(version, document);
  for (const known of remembered.keys()) if (remembered.size > MAX_REMEMBERED) remembered.delete(known);
}

/** Null: it cannot be loaded any more, for example because a certificate has gone. */
function baseDocument(base: LoadOrder["base"]): LoadedDocument | null {
  if (base === null) return null;
  const known = remembered.get(base.version);
  if (known !== undefined) return known;
  const result = loadFrom(base.source);
  if (!result.ok) return null;
  remember(base.version, result.document);
  return result.document;
}

function load({ source, base }: LoadOrder): LoadedText | NotLoaded {
  const result = loadFrom(source);
  if (!result.ok) return result;
  const { snapshot, warnings, document } = result;
  // What it is going to be compared with must not make room for it.
  const before = base === null ? undefined : remembered.get(base.version);
  if (base !== null && before !== undefined) remember(base.version, before);
  remember(snapshot.version, document);
  const texts = { snapshot: JSON.stringify(snapshot), redactedDocument: JSON.stringify(redactDocument(document)), texts: document.texts };
  return { ok: true, version: snapshot.version, ...texts, warnings, files: document.files };
}

function compare({ base }: LoadOrder, version: string): readonly ObjectChange[] {
  const after = remembered.get(version);
  const before = base === null || base.version === version ? null : baseDocument(base);
  return before === null || after === undefined ? [] : diffDocuments(before, after);
}

/** Every reply of what was loaded is followed by one, whatever happens. */
function compareSafely(order: LoadOrder, version: string): readonly ObjectChange[] {
  try {
    return compare(order, version);
  } catch {
    return [];
  }
}

parentPort?.on("message", (order: LoadOrder) => {
  let reply: LoadReply;
  try {
    reply = { id: order.id, result: load(order), error: "" };
  } catch (error) {
    reply = { id: order.id, result: null, error: (error as Error).message };
  }
  parentPort?.postMessage(reply);
  if (reply.result?.ok !== true) return;
  parentPort?.postMessage({ id: order.id, changes: compareSafely(order, reply.result.version) } satisfies CompareReply);
});
