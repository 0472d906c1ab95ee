/** What the primary and its loader thread say to each other: plain data. */
import type { ConfigProblem, ConfigText, ObjectChange } from "../../engine/model/configuration.js";
import type { Snapshot } from "../../engine/model/snapshot.js";

/** What to load: what is at a path now, or texts as if they lay in a folder. */
export type LoadSource =
  | { readonly type: "path"; readonly path: string }
  | { readonly type: "texts"; readonly folder: string; readonly texts: readonly ConfigText[] };

export interface LoadOrder {
  readonly id: number;
  readonly source: LoadSource;
  /** What the document is to be compared with, usually what is served; null: with nothing. */
  readonly base: { readonly version: string; readonly source: LoadSource } | null;
}

/** A document that compiles, ready to be served. */
export interface Loaded {
  readonly ok: true;
  readonly snapshot: Snapshot;
  /** As operators may see it. */
  readonly redactedDocument: unknown;
  readonly warnings: readonly ConfigProblem[];
  /** As written; may hold secrets. */
  readonly texts: readonly ConfigText[];
  /** Absolute paths of the files it was made of and points to. */
  readonly files: readonly string[];
}

export interface NotLoaded {
  readonly ok: false;
  readonly problems: readonly ConfigProblem[];
  readonly files: readonly string[];
}

export type LoadResult = Loaded | NotLoaded;

/** Follows a reply of what was loaded: comparing takes as long again, and nobody who is served waits for it. */
export interface CompareReply {
  readonly id: number;
  /** From the base to what was loaded. */
  readonly changes: readonly ObjectChange[];
}

/** As it crosses threads: text is copied at once, while objects of ten thousand routes are taken apart and put together again. */
export interface LoadedText extends Omit<Loaded, "snapshot" | "redactedDocument"> {
  readonly version: string;
  /** JSON. */
  readonly snapshot: string;
  readonly redactedDocument: string;
}

export interface LoadReply {
  readonly id: number;
  readonly result: LoadedText | NotLoaded | null;
  /** A bug: what the loader threw. */
  readonly error: string;
}
