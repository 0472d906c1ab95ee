/** Completion scripts for bash, zsh and fish; pure text of the table. Only words of our own source get into a script. */
import type { CompletableCommand, CompletableFlag } from "./completion-table.js";

export const COMPLETION_SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof COMPLETION_SHELLS)[number];

export function completionScript(shell: Shell, commands: readonly CompletableCommand[]): string {
  const scripts: Readonly<Record<Shell, (commands: readonly CompletableCommand[]) => string>> = { bash, zsh, fish };
  return scripts[shell](commands);
}

/** One word of a shell, whatever it holds. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function spellings({ long, short }: CompletableFlag): string[] {
  return short === "" ? [`--${long}`] : [`-${short}`, `--${long}`];
}

// ── bash ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Works with bash 3.2 (macOS) and without the bash-completion package. */
function bash(commands: readonly CompletableCommand[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  return `# Completion of windrose for bash: source <(windrose completion bash)
_windrose_reply() {
  local kind=$1 current=$2 word
  shift 2
  COMPREPLY=()
  case $kind in
    files) compopt -o filenames 2>/dev/null; set -- -f ;;
    directories) compopt -o filenames 2>/dev/null; set -- -d ;;
    words) set -- -W "$*" ;;
    *) return ;;
  esac
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen "$@" -- "$current")
}

_windrose() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous='' command=''
  if ((COMP_CWORD > 1)); then previous=\${COMP_WORDS[COMP_CWORD - 1]}; command=\${COMP_WORDS[1]}; fi
  # --flag=value are three words to bash.
  if [[ $current == = ]]; then current=''; elif [[ $previous == = ]]; then previous=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  if [[ -z $command ]]; then _windrose_reply words "$current" ${names} --help --version; return; fi
  case "$command $previous" in
${bashValues(commands)}  esac
  case $command in
${commands.map(bashCommand).join("")}  esac
}

complete -F _windrose windrose
`;
}

function bashValues(commands: readonly CompletableCommand[]): string {
  const lines = commands.flatMap(({ name, flags }) =>
    flags
      .filter(({ takes }) => takes !== "nothing")
      .map(
        (flag) =>
          `    ${spellings(flag)
            .map((spelling) => quote(`${name} ${spelling}`))
            .join("|")}) _windrose_reply ${flag.takes} "$current"; return ;;\n`,
      ),
  );
  return lines.join("");
}

function bashCommand({ name, flags, words }: CompletableCommand): string {
  const flagWords = flags.flatMap(spellings).join(" ");
  const rest = words === "files" ? 'files "$current"' : `words "$current" ${words.join(" ")}`;
  return `    ${name})
      if [[ $current == -* ]]; then _windrose_reply words "$current" ${flagWords}; else _windrose_reply ${rest}; fi ;;
`;
}

// ── zsh ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function zsh(commands: readonly CompletableCommand[]): string {
  return `#compdef windrose
# Completion of windrose for zsh: source <(windrose completion zsh), after compinit; or as _windrose in a folder of $fpath.
_windrose() {
  local curcontext="$curcontext" state line
  typeset -A opt_args
  local -a commands
  commands=(
${commands.map(({ name, summary }) => `    ${quote(`${name}:${summary.replaceAll(":", "\\:")}`)}\n`).join("")}  )
  _arguments -C '(-)--help[show what windrose can do]' '(-)--version[show the version]' '1: :->command' '*:: :->argument' && return
  case $state in
    command) _describe -t commands command commands ;;
    argument)
      case $line[1] in
${commands.map(zshCommand).join("")}      esac ;;
  esac
}

if [[ $funcstack[1] == _windrose ]]; then _windrose "$@"; else compdef _windrose windrose; fi
`;
}

function zshCommand({ name, flags, words }: CompletableCommand): string {
  const rest = words === "files" ? ["'*:file:_files'"] : words.length > 0 ? [quote(`1: :(${words.join(" ")})`)] : [];
  const lines = [...flags.map(zshFlag), ...rest].map((argument) => ` \\\n            ${argument}`);
  return lines.length === 0 ? `        ${name}) ;;\n` : `        ${name})\n          _arguments -S${lines.join("")} ;;\n`;
}

const ZSH_VALUES: Readonly<Record<CompletableFlag["takes"], string>> = {
  nothing: "",
  files: ":file:_files",
  directories: ":folder:_files -/",
  text: ":value: ",
};

function zshFlag(flag: CompletableFlag): string {
  const meaning = flag.meaning.replace(/[[\]\\:]/g, "\\$&");
  const value = ZSH_VALUES[flag.takes];
  if (flag.isRepeatable)
    return spellings(flag)
      .map((spelling) => quote(`*${spelling}[${meaning}]${value}`))
      .join(" ");
  const exclusion = `(${spellings(flag).join(" ")})`;
  return spellings(flag)
    .map((spelling) => quote(`${exclusion}${spelling}[${meaning}]${value}`))
    .join(" ");
}

// ── fish ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function fish(commands: readonly CompletableCommand[]): string {
  const lines = [
    "# Completion of windrose for fish: windrose completion fish | source",
    "complete -c windrose -e",
    "complete -c windrose -f",
    "complete -c windrose -n __fish_use_subcommand -l help -d 'show what windrose can do'",
    "complete -c windrose -n __fish_use_subcommand -l version -d 'show the version'",
    ...commands.map(({ name, summary }) => `complete -c windrose -n __fish_use_subcommand -a ${name} -d ${fishQuote(summary)}`),
    ...commands.flatMap(fishCommand),
  ];
  return `${lines.join("\n")}\n`;
}

function fishCommand({ name, flags, words }: CompletableCommand): string[] {
  // The command is the second word: a file may have a command's name.
  const when = `complete -c windrose -n 'test (commandline -opc)[2] = ${name} 2>/dev/null'`;
  const rest = words === "files" ? [`${when} -F`] : words.map((word) => `${when} -a ${word}`);
  return [...flags.map((flag) => `${when} ${fishFlag(flag)}`), ...rest];
}

const FISH_VALUES: Readonly<Record<CompletableFlag["takes"], string>> = {
  nothing: "",
  files: " -r -F",
  directories: " -x -a '(__fish_complete_directories)'",
  text: " -x",
};

function fishFlag({ long, short, meaning, takes }: CompletableFlag): string {
  return `-l ${long}${short === "" ? "" : ` -s ${short}`}${FISH_VALUES[takes]} -d ${fishQuote(meaning)}`;
}

function fishQuote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
