/**
 * What all commands share: reading flags, saying what is wrong with them, and printing help in one form. Commands own
 * their flags and their text.
 */
import { type ParseArgsConfig, parseArgs } from "node:util";
import { nearest } from "../config/hints.js";
import { printable } from "../config/problems.js";
import { EXIT, EXIT_CODES_HELP } from "./exit-codes.js";

export type Flags = NonNullable<ParseArgsConfig["options"]>;

export interface CommandText {
  /** After `windrose `. */
  readonly usage: string;
  /** One or more sentences. */
  readonly about: string;
  /** Flag and what it does, in the order shown. */
  readonly flags: readonly (readonly [flag: string, meaning: string])[];
  readonly examples: readonly string[];
  /** What stands beside the flags, for shell completion: file names (the default), one of these words, or nothing. */
  readonly words?: "files" | readonly string[];
}

/** What a command's module exports beside its function; help and shell completion are made of it. */
export interface CommandShape {
  readonly FLAGS: Flags;
  readonly TEXT: CommandText;
}

/** Takes what follows the command's name, returns the exit code. */
export type CommandMain = (args: string[]) => Promise<number>;

export interface Command {
  readonly name: string;
  readonly summary: string;
  load(): Promise<{ readonly main: CommandMain; readonly shape: CommandShape }>;
}

type ParsedValues<F extends Flags> = ReturnType<typeof parseArgs<{ args: string[]; options: F; allowPositionals: true }>>["values"];

export type CommandLine<F extends Flags> =
  | { readonly ok: true; readonly values: ParsedValues<F>; readonly positionals: readonly string[] }
  | { readonly ok: false; readonly message: string };

/** Strict: an unknown flag, a missing value or more than `maxPositionals` words are refused. */
export function readFlags<const F extends Flags>(args: readonly string[], options: F, maxPositionals = 0): CommandLine<F> {
  try {
    const { values, positionals } = parseArgs<{ args: string[]; options: F; allowPositionals: true }>({
      args: [...args],
      options,
      allowPositionals: true,
    });
    const extra = positionals[maxPositionals];
    return extra === undefined ? { ok: true, values, positionals } : { ok: false, message: `unexpected "${extra}"` };
  } catch (error) {
    return { ok: false, message: describeFlagError(error, Object.keys(options)) };
  }
}

function describeFlagError(error: unknown, known: readonly string[]): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const unknown = code === "ERR_PARSE_ARGS_UNKNOWN_OPTION" ? /'(-[^']*)'/.exec(message)?.[1] : undefined;
  if (unknown === undefined) return message.split("\n")[0] ?? message;
  const near = nearest(unknown.replace(/^-+/, ""), known);
  return `unknown option ${unknown}${near === null ? "" : ` (did you mean --${near}?)`}`;
}

/** One line on stderr and where to read on. */
export function refuseUsage(command: string, message: string): number {
  process.stderr.write(`windrose ${command}: ${message}\nTry: windrose ${command} --help\n`);
  return EXIT.usage;
}

/** The message may be what a server said. */
export function fail(command: string, message: string, code: number = EXIT.failure): number {
  // Our own sentences may take several lines; what is quoted in them cannot command the terminal.
  process.stderr.write(`windrose ${command}: ${message.split("\n").map(printable).join("\n")}\n`);
  return code;
}

export function printHelp(text: CommandText): number {
  const width = Math.max(...text.flags.map(([flag]) => flag.length));
  const flags = text.flags.map(([flag, meaning]) => `  ${flag.padEnd(width)}  ${meaning}`);
  const examples = text.examples.map((line) => `  ${line}`);
  process.stdout.write(
    [`Usage: windrose ${text.usage}`, "", text.about, "", "Options:", ...flags, "", "Example:", ...examples, "", EXIT_CODES_HELP, ""].join(
      "\n",
    ),
  );
  return EXIT.ok;
}
