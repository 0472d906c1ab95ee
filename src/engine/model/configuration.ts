/** Words about configurations that the control plane, the admin API and the commands share: versions, problems, changes, outcomes. */

/** Where a document came from. `boot` and `fallback`: at the start, the latter because the file was broken. */
export type ChangeSource = "boot" | "fallback" | "file" | "signal" | "admin" | "rollback" | "guard";

/** One file of a document. */
export interface ConfigText {
  /** Relative to the folder of the configuration. */
  readonly name: string;
  readonly text: string;
}

/** A document that was accepted, as it is remembered. */
export interface ConfigVersion {
  /** Of the snapshot: a digest of what it says. */
  readonly version: string;
  /** Grows with every acceptance; the same version may be accepted again. */
  readonly sequence: number;
  /** ISO 8601. */
  readonly acceptedAt: string;
  readonly source: ChangeSource;
  /** Who asked, "" when nobody did. */
  readonly author: string;
  /** Free text of whoever asked. */
  readonly note: string;
  /** What the document was read from. */
  readonly path: string;
}

/** With the text, so that it can be compiled again. May hold secrets that were written into the document. */
export interface StoredVersion extends ConfigVersion {
  readonly texts: readonly ConfigText[];
}

/** One object of the document that two versions do not agree on. */
export interface ObjectChange {
  /** The block of the document, for example `routes`, `services`, `listeners`, `providers.jwt`, `admin`. */
  readonly kind: string;
  /** "" for blocks that are one object. */
  readonly name: string;
  readonly change: "added" | "removed" | "changed" | "moved";
  /** Only of what changed; values are shown as operators may see them, null where there is none. */
  readonly fields: readonly FieldChange[];
}

export interface FieldChange {
  /** Within the object, for example `backends[0].weight`. */
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** What became of a document that was to be served. */
export type ApplyOutcome =
  | {
      readonly result: "applied";
      readonly version: string;
      readonly previous: string;
      /** Workers were replaced, because something changed that cannot change in place. */
      readonly hasRolled: boolean;
      readonly durationMs: number;
      readonly changes: readonly ObjectChange[];
      readonly warnings: readonly ConfigProblem[];
    }
  /** It says what is being served already. */
  | { readonly result: "unchanged"; readonly version: string; readonly warnings: readonly ConfigProblem[] }
  /** It has problems; what was served is still served. */
  | { readonly result: "rejected"; readonly problems: readonly ConfigProblem[] }
  /** It compiles, but could not be put into service; what was served is still served. */
  | { readonly result: "failed"; readonly message: string };

/** What is wrong with a document, or may be. */
export interface ConfigProblem {
  /** As the user named it: the path given to the loader, or a file inside that directory. */
  readonly file: string;
  /** From 1; 0 when the problem is the file itself (unreadable, not UTF-8). */
  readonly line: number;
  readonly column: number;
  /** `routes[2].backends[0].service`; "" for the whole document. */
  readonly path: string;
  /** Never holds a secret or a substituted value. */
  readonly message: string;
  readonly hint?: string;
  readonly severity: "error" | "warning";
}
