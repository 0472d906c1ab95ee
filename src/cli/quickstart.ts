/**
 * `windrose quickstart` (`npm start`): makes development certificates when they are missing, starts demo services in this
 * process, runs config/quickstart.yaml and prints commands to paste. Everything ends with the gateway.
 */
import { join, relative } from "node:path";
import type { FirstConfiguration } from "../control/configuration/configuration-service.js";
import { type GatewayInfo, runGateway } from "../control/primary.js";
import { stateDirectory } from "../control/state-directory.js";
import { DEVELOPMENT_FILES, ensureDevelopmentCertificates } from "../identity/dev-certificates.js";
import { type CommandText, fail, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { startDemoServices } from "./demo-services.js";
import { EXIT } from "./exit-codes.js";
import { loadFirst } from "./first-configuration.js";
import { PACKAGE_ROOT, readVersion } from "./package-root.js";
import { describeQuickstart } from "./quickstart-text.js";
import { QUICKSTART_TOKEN, readSigningKey, signToken } from "./token.js";

export const FLAGS = {
  config: { type: "string", short: "c", default: join(PACKAGE_ROOT, "config", "quickstart.yaml") },
  certs: { type: "string", default: join(PACKAGE_ROOT, "certs") },
  single: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage: "quickstart [-c FILE] [--certs DIR] [--single]",
  about: "Runs the example gateway with demo services behind it and prints commands to try. Ctrl-C ends everything.",
  flags: [
    ["-c, --config FILE", "another configuration (default: config/quickstart.yaml)"],
    ["--certs DIR", "where its development certificates lie (default: certs)"],
    ["--single", "one process instead of a primary and its workers; for debugging"],
    ["-h, --help", "show this text"],
  ],
  examples: ["windrose quickstart"],
  words: [],
};

export async function quickstart(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS);
  if (!line.ok) return refuseUsage("quickstart", line.message);
  const { config, certs, single, help } = line.values;
  if (help) return printHelp(TEXT);
  const made = await ensureDevelopmentCertificates({ directory: certs, hosts: [], isForced: false, now: new Date() });
  if (!made.ok) return fail("quickstart", made.problem);
  if (made.files.some((file) => file.action === "written")) process.stderr.write(`windrose: made development certificates in ${certs}\n`);
  const directory = stateDirectory("", process.env, config);
  const first = loadFirst({ path: config, stateDirectory: directory, isLastGoodEnough: false, resumes: null });
  if (first === null) return EXIT.configuration;
  const key = readSigningKey(join(certs, DEVELOPMENT_FILES.jwtKey));
  if (!key.ok) return fail("quickstart", key.message);
  const { issuer, audience, subject, lifetimeSeconds } = QUICKSTART_TOKEN;
  const token = await signToken({ key: key.key, issuer, audience, subject, lifetimeSeconds, claims: {}, now: new Date() });
  return await runWithDemo({ first, directory, certs, isSingle: single, token });
}

interface Prepared {
  readonly first: FirstConfiguration;
  /** For versions and the audit log. */
  readonly directory: string;
  readonly certs: string;
  readonly isSingle: boolean;
  readonly token: string;
}

async function runWithDemo({ first, directory, certs, isSingle, token }: Prepared): Promise<number> {
  const { snapshot } = first;
  const demo = await startDemoServices(snapshot.services);
  if (!demo.ok) return fail("quickstart", demo.problem, EXIT.unavailable);
  const caPath = relative(process.cwd(), join(certs, DEVELOPMENT_FILES.ca));
  const onReady = (info: GatewayInfo): void => {
    process.stdout.write(describeQuickstart({ info, snapshot, token, caPath }));
  };
  try {
    return await runGateway({ first, stateDirectory: directory, isSingle, version: readVersion(), onReady });
  } finally {
    await demo.close();
  }
}
