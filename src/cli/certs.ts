/** `windrose certs dev`: development certificates, made when missing, renewed in time, kept otherwise. */

import { isIP } from "node:net";
import { relative } from "node:path";
import { domainToASCII } from "node:url";
import { type DevelopmentFile, ensureDevelopmentCertificates } from "../identity/dev-certificates.js";
import { type CommandText, fail, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { painter, writeJson } from "./terminal.js";

export const FLAGS = {
  dir: { type: "string", default: "certs" },
  name: { type: "string", multiple: true },
  force: { type: "boolean", default: false },
  quiet: { type: "boolean", short: "q", default: false },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage: "certs dev [--dir DIR] [--name HOST]... [--force] [--quiet | --json]",
  about: `Keeps a folder of development certificates in order: a CA, a server certificate for localhost,
*.localhost, 127.0.0.1 and ::1, and a key pair that "windrose token" signs with. What is valid is
kept; what is missing, damaged or expires within a week is made anew. Not for production.`,
  flags: [
    ["--dir DIR", "where to (default: certs)"],
    ["--name HOST", "one more DNS name or address for the server certificate; may be repeated"],
    ["--force", "make everything anew"],
    ["-q, --quiet", "say nothing unless something went wrong"],
    ["--json", "print what became of each file as JSON, for scripts"],
    ["-h, --help", "show this text"],
  ],
  examples: ["windrose certs dev --name api.example.test --name 192.0.2.10", "curl --cacert certs/ca.pem https://localhost:8443/"],
  words: ["dev"],
};

export async function certs(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS, 1);
  if (!line.ok) return refuseUsage("certs", line.message);
  if (line.values.help) return printHelp(TEXT);
  if (line.values.json && line.values.quiet) return refuseUsage("certs", "--json and --quiet exclude each other");
  const kind = line.positionals[0];
  if (kind !== "dev")
    return refuseUsage("certs", kind === undefined ? 'say which: "certs dev"' : `unknown kind "${kind}", there is only "dev"`);
  const hosts = (line.values.name ?? []).map((name) => ({ name, host: certificateHost(name) }));
  const bad = hosts.find(({ host }) => host === null);
  if (bad) return refuseUsage("certs", `--name "${bad.name}" is neither a DNS name nor an IP address`);
  const result = await ensureDevelopmentCertificates({
    directory: line.values.dir,
    hosts: hosts.flatMap(({ host }) => host ?? []),
    isForced: line.values.force,
    now: new Date(),
  });
  if (!result.ok) return fail("certs", result.problem);
  if (line.values.json) writeJson({ files: result.files });
  else if (!line.values.quiet) process.stdout.write(filesText(result.files));
  return EXIT.ok;
}

function filesText(files: readonly DevelopmentFile[]): string {
  const paint = painter(process.stdout);
  const lines = files.map(({ action, path, reason }) => {
    const word = action.padEnd(7);
    return `${action === "written" ? paint("green", word) : word} ${relative(process.cwd(), path) || path}  ${paint("dim", `(${reason})`)}\n`;
  });
  return lines.join("");
}

/** As certificates hold it: an address, or an ASCII DNS name whose first label may be `*`. Null: neither. */
export function certificateHost(name: string): string | null {
  if (isIP(name) !== 0) return name;
  const [wildcard, rest] = name.startsWith("*.") ? ["*.", name.slice(2)] : ["", name];
  const ascii = domainToASCII(rest);
  const isName = ascii.length <= 253 && /^(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/.test(ascii);
  return isName && isIP(ascii) === 0 ? wildcard + ascii : null;
}
