/** The texts of a document as a gateway takes them: a file, the YAML files of a folder, or standard input. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { readSources } from "../config/source.js";
import type { ConfigProblem, ConfigText } from "../engine/model/configuration.js";

export interface TextsRead {
  readonly texts: readonly ConfigText[];
  readonly problems: readonly ConfigProblem[];
}

/** Names are those in the folder: what the folder is called here means nothing to the gateway. */
export function readTexts(path: string): TextsRead {
  if (path === "-") return readStandardInput();
  const { texts, problems } = readSources(path);
  return { texts: texts.map(({ file, text }) => ({ name: yamlName(basename(file.name)), text })), problems };
}

function yamlName(name: string): string {
  return /\.ya?ml$/.test(name) && !name.startsWith(".") ? name : `${name.replace(/^\.+/, "")}.yaml`;
}

function readStandardInput(): TextsRead {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(0));
    return { texts: [{ name: "stdin.yaml", text }], problems: [] };
  } catch (error) {
    const message = error instanceof TypeError ? "is not valid UTF-8 text" : `cannot be read: ${(error as NodeJS.ErrnoException).code}`;
    return { texts: [], problems: [{ file: "-", line: 0, column: 0, path: "", message, severity: "error" }] };
  }
}
