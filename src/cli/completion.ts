/** `windrose completion`: a script for the shell, made of the commands' own tables. Nothing runs when Tab is pressed. */

import { type Command, type CommandText, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { COMPLETION_SHELLS, completionScript, type Shell } from "./completion-scripts.js";
import { describeCommands } from "./completion-table.js";
import { EXIT } from "./exit-codes.js";

export const FLAGS = { help: { type: "boolean", short: "h", default: false } } as const;

export const TEXT: CommandText = {
  usage: `completion ${COMPLETION_SHELLS.join("|")}`,
  about: `Prints a script that completes commands, flags and file names when Tab is pressed.
  bash  source <(windrose completion bash)       in ~/.bashrc
  zsh   source <(windrose completion zsh)        in ~/.zshrc, after compinit
  fish  windrose completion fish | source        in ~/.config/fish/config.fish`,
  flags: [["-h, --help", "show this text"]],
  examples: ["windrose completion bash > /etc/bash_completion.d/windrose"],
  words: COMPLETION_SHELLS,
};

export async function completion(args: readonly string[], commands: readonly Command[]): Promise<number> {
  const line = readFlags(args, FLAGS, 1);
  if (!line.ok) return refuseUsage("completion", line.message);
  if (line.values.help) return printHelp(TEXT);
  const [name] = line.positionals;
  const shell = COMPLETION_SHELLS.find((known): known is Shell => known === name);
  if (shell === undefined) {
    const which = COMPLETION_SHELLS.join(", ");
    return refuseUsage("completion", name === undefined ? `for which shell: ${which}` : `unknown shell "${name}", there are ${which}`);
  }
  process.stdout.write(completionScript(shell, await describeCommands(commands)));
  return EXIT.ok;
}
