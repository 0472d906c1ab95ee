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
import type { LoadOrder, LoadReply, LoadResult, LoadSource } from "./loader-messages.js";

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

function load({ source, base }: LoadOrder): LoadResult {
  const result = loadFrom(source);
  if (!result.ok) return result;
  const { snapshot, warnings, document } = result;
  const before = base === null || base.version === snapshot.version ? null : baseDocument(base);
  remember(snapshot.version, document);
  const changes = before === null ? [] : diffDocuments(before, document);
  return {
    ok: true,
    snapshot,
    redactedDocument: redactDocument(document),
    warnings,
    texts: document.texts,
    files: document.files,
    changes,
  };
}

parentPort?.on("message", (order: LoadOrder) => {
  let reply: LoadReply;
  try {
    reply = { id: order.id, result: load(order), error: "" };
  } catch (error) {
    reply = { id: order.id, result: null, error: (error as Error).message };
  }
  parentPort?.postMessage(reply);
});
