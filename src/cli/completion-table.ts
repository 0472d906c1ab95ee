/** What can be completed, from the tables of the commands: names, flags, and what their values are. */
import type { Command, CommandShape } from "./command-line.js";

export interface CompletableCommand {
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly CompletableFlag[];
  /** What stands beside the flags. */
  readonly words: "files" | readonly string[];
}

export interface CompletableFlag {
  /** Without its dashes. */
  readonly long: string;
  /** "" for none. */
  readonly short: string;
  readonly meaning: string;
  readonly takes: "nothing" | "files" | "directories" | "text";
  readonly isRepeatable: boolean;
}

export async function describeCommands(commands: readonly Command[]): Promise<CompletableCommand[]> {
  const described = commands.map(async ({ name, summary, load }) => ({ name, summary, ...describeShape((await load()).shape) }));
  const names = commands.map(({ name }) => name);
  return [...(await Promise.all(described)), { name: "help", summary: "explain a command", flags: [], words: names }];
}

function describeShape({ FLAGS, TEXT }: CommandShape): Pick<CompletableCommand, "flags" | "words"> {
  const flags = Object.entries(FLAGS).map(([long, { type, short = "", multiple = false }]): CompletableFlag => {
    const [written, meaning] = TEXT.flags.find(([text]) => isFlag(text, long)) ?? ["", ""];
    return { long, short, meaning, takes: type === "boolean" ? "nothing" : valueKind(written), isRepeatable: multiple };
  });
  return { flags, words: TEXT.words ?? "files" };
}

/** `-c, --config FILE` is `config`. */
export function isFlag(written: string, long: string): boolean {
  return written.split(/[ ,=]+/).includes(`--${long}`);
}

/** By the word in the help text that stands for the value. */
function valueKind(written: string): CompletableFlag["takes"] {
  if (/\b(FILE|PATH|CONFIG)\b/.test(written)) return "files";
  return /\bDIR\b/.test(written) ? "directories" : "text";
}
