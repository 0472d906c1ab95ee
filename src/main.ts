#!/usr/bin/env node
/** Process entry: hands the command line to its command and turns the outcome into the exit code. */
import { dispatch } from "./cli/commands.js";
import { EXIT } from "./cli/exit-codes.js";

// Whoever read our output may have left (`windrose diff … | head`): the exit code still tells what was found.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

try {
  process.exitCode = await dispatch(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`windrose: ${describe(error)}\n`);
  process.exitCode = EXIT.failure;
}

/** The operating system's refusals are said in one line; anything else is a bug and shows where it happened. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isSystemError = "syscall" in error;
  return isSystemError ? error.message : (error.stack ?? error.message);
}
