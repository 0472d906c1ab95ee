/** Where a gateway keeps what must survive a restart: a folder of its own for every configuration path. */
import { createHash } from "node:crypto";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @param flag of the command line, "" when it was not given
 * @param configPath of the configuration, a file or a folder
 */
export function stateDirectory(flag: string, env: Environment, configPath: string): string {
  return join(stateRoot(flag, env), createHash("sha256").update(resolve(configPath)).digest("hex").slice(0, 16));
}

/** The folder that those of all configurations lie in. */
export function stateRoot(flag: string, env: Environment): string {
  if (flag !== "") return resolve(flag);
  // systemd lists several with colons when a unit asks for several; the first is the unit's own.
  const [service = ""] = (env["STATE_DIRECTORY"] ?? "").split(":");
  if (service !== "") return resolve(service);
  const home = env["XDG_STATE_HOME"] ?? "";
  // The specification says to ignore relative ones.
  return isAbsolute(home) ? join(home, "windrose") : join(env["HOME"] || homedir(), ".local", "state", "windrose");
}
