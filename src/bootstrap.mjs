/**
 * Behind npm's scripts: makes a fresh clone run. Installs when the dependency tree is missing or was made for other
 * sources or another Node.js, builds when a source changed, then does what was asked. Plain JavaScript without
 * dependencies, because it runs before anything is installed; namespace imports and old syntax only, so that an old
 * Node.js still gets as far as the message that it is too old.
 */
import * as childProcess from "node:child_process";
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as url from "node:url";

const ROOT = path.resolve(path.dirname(url.fileURLToPath(import.meta.url)), "..");
const SOURCE_FOLDERS = ["src", "test", "loadtest"];
const INSTALL_STAMP = path.join(ROOT, "node_modules", ".windrose-stamp.json");
const BUILD_STAMP = path.join(ROOT, "dist", ".windrose-stamp.json");
/** A whole test file may take this long before it counts as hanging. */
const TEST_TIMEOUT_MS = 180_000;
const LOCK_POLL_MS = 100;
const FORWARDED_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

const TASKS = { start, test, build, bench, soak, hostile, chaos, reload, verify };

class Failure extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

async function main() {
  const [name, ...args] = process.argv.slice(2);
  const task = Object.hasOwn(TASKS, name) ? TASKS[name] : undefined;
  if (task === undefined) throw new Failure(`usage: node src/bootstrap.mjs ${Object.keys(TASKS).join("|")} [arguments]`, 64);
  checkNode();
  await task(args);
}

// ── Tasks ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The gateway runs in this very process: signals then arrive once, and the exit code is its own. */
async function start(args) {
  await prepare();
  const entry = path.join(ROOT, "dist", "src", "main.js");
  process.argv = [process.argv[0], entry, "quickstart", ...args];
  await import(url.pathToFileURL(entry).href);
}

/** Words select test files by part of their path; options are passed on to `node --test`. */
async function test(args) {
  await prepare();
  const words = args.filter((arg) => !arg.startsWith("-"));
  const options = args.filter((arg) => arg.startsWith("-"));
  const all = listFiles(path.join(ROOT, "dist", "test"), (file) => file.endsWith(".test.js"));
  const files = all
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .map((file) => path.relative(ROOT, file));
  if (files.length === 0)
    throw new Failure(words.length === 0 ? "there are no tests" : `no test file's path contains ${words.join(" or ")}`);
  say(`running ${files.length} test files`);
  // Many tests wait for time to pass: one more than cores.
  const concurrency = cores() + 1;
  const runner = ["--test", "--test-reporter=spec", `--test-concurrency=${concurrency}`, `--test-timeout=${TEST_TIMEOUT_MS}`];
  await runOrFail(process.execPath, ["--enable-source-maps", ...runner, ...options, ...files], "tests failed");
}

async function build() {
  await prepare();
}

function bench(args) {
  return runLoadTest("bench", args, "the benchmark failed");
}

function soak(args) {
  return runLoadTest("soak", args, "the soak test failed");
}

function hostile(args) {
  return runLoadTest("hostile", args, "the test with hostile clients failed");
}

function chaos(args) {
  return runLoadTest("chaos", args, "the test with failing services failed");
}

function reload(args) {
  return runLoadTest("reload", args, "the reload test failed");
}

async function runLoadTest(name, args, complaint) {
  await prepare();
  const entry = path.join(ROOT, "dist", "loadtest", `${name}.js`);
  if (!fs.existsSync(entry)) throw new Failure(`loadtest/${name}.ts is missing`);
  await runOrFail(process.execPath, [entry, ...args], complaint);
}

async function verify(args) {
  await underLock(installIfNeeded);
  say("checking format and lint");
  await runOrFail(binary("biome"), ["check", "--error-on-warnings", "."], "biome found problems");
  say("checking types");
  await runOrFail(binary("tsc"), ["-p", "tsconfig.json", "--noEmit"], "type errors");
  await test(args);
}

// ── Install and build ────────────────────────────────────────────────────────────────────────────────────────────

async function prepare() {
  if (isInstalled() && isBuilt()) return;
  await underLock(async () => {
    await installIfNeeded();
    await buildIfNeeded();
  });
}

/** Native binaries belong to one Node.js ABI: npm leaves out those of other versions. */
function installFacts() {
  const { platform, arch, versions } = process;
  return JSON.stringify({ lock: hashFiles([path.join(ROOT, "package-lock.json")]), abi: versions.modules, platform, arch });
}

function isInstalled() {
  return readOrEmpty(INSTALL_STAMP) === installFacts();
}

async function installIfNeeded() {
  if (isInstalled()) return;
  const startedMs = Date.now();
  say("installing packages (npm ci)");
  // Without the stamp an interrupted installation is recognised as such.
  fs.rmSync(INSTALL_STAMP, { force: true });
  const [command, prefix] = npmCommand();
  // Development packages are needed to build, whatever NODE_ENV says.
  await runOrFail(command, [...prefix, "ci", "--include=dev", "--no-audit", "--no-fund"], "npm ci failed");
  checkEngine();
  fs.writeFileSync(INSTALL_STAMP, installFacts());
  say(`installed in ${seconds(startedMs)}`);
}

/** Says in one line what would otherwise be a stack trace of the first start: no binary for this system. */
function checkEngine() {
  const { status, stderr } = childProcess.spawnSync(process.execPath, ["-e", "require('uWebSockets.js')"], { cwd: ROOT, encoding: "utf8" });
  if (status === 0) return;
  const reason = /^Error: (.*)$/m.exec(stderr);
  throw new Failure(
    `the HTTP engine (uWebSockets.js) does not load here; on Linux it needs glibc 2.27 or later${reason ? `: ${reason[1]}` : ""}`,
  );
}

/** The npm that runs us, so that its version and configuration stay the same; else the one in PATH. */
function npmCommand() {
  const script = process.env.npm_execpath;
  return script && /\.c?js$/.test(script) ? [process.execPath, [script]] : ["npm", []];
}

function buildFacts() {
  const sources = SOURCE_FOLDERS.flatMap((folder) => listFiles(path.join(ROOT, folder), (file) => /\.(ts|json)$/.test(file)));
  return hashFiles([path.join(ROOT, "package-lock.json"), path.join(ROOT, "tsconfig.json"), ...sources]);
}

function isBuilt() {
  return readOrEmpty(BUILD_STAMP) === buildFacts();
}

/** Into a folder of its own, then renamed: nobody sees half a build, and outputs of deleted sources do not linger. */
async function buildIfNeeded() {
  const facts = buildFacts();
  if (readOrEmpty(BUILD_STAMP) === facts) return;
  const startedMs = Date.now();
  say("building");
  const fresh = path.join(ROOT, `dist-build-${process.pid}`);
  const old = path.join(ROOT, `dist-old-${process.pid}`);
  try {
    await runOrFail(
      binary("tsc"),
      ["-p", "tsconfig.json", "--outDir", fresh, "--incremental", "false", "--tsBuildInfoFile", "null"],
      "the build failed",
    );
    fs.writeFileSync(path.join(fresh, ".windrose-stamp.json"), facts);
    if (fs.existsSync(path.join(ROOT, "dist"))) fs.renameSync(path.join(ROOT, "dist"), old);
    fs.renameSync(fresh, path.join(ROOT, "dist"));
  } finally {
    fs.rmSync(fresh, { recursive: true, force: true });
    fs.rmSync(old, { recursive: true, force: true });
  }
  say(`built in ${seconds(startedMs)}`);
}

function binary(name) {
  return path.join(ROOT, "node_modules", ".bin", name);
}

// ── One at a time ────────────────────────────────────────────────────────────────────────────────────────────────

/** Two npm commands in one checkout take turns at installing and building. The lock of a dead process is taken over. */
async function underLock(work) {
  const lock = path.join(os.tmpdir(), `windrose-${crypto.createHash("sha256").update(ROOT).digest("hex").slice(0, 16)}.lock`);
  let hasWaited = false;
  while (!takeLock(lock)) {
    if (!hasWaited) say("waiting for another npm command in this folder");
    hasWaited = true;
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
  }
  try {
    await work();
  } finally {
    fs.rmSync(lock, { force: true });
  }
}

function takeLock(lock) {
  try {
    fs.writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  const owner = Number(readOrEmpty(lock));
  if (owner > 0 && !isAlive(owner)) fs.rmSync(lock, { force: true });
  return false;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

// ── Small things ─────────────────────────────────────────────────────────────────────────────────────────────────

/** Node.js 20.19 or later of 20, or 22: the ones for which the HTTP engine's binaries exist and are tested. */
function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if ((major === 20 && minor >= 19) || major === 22) return;
  throw new Failure(`Node.js 20 (20.19 or later) or 22 is needed, this is ${process.versions.node}`);
}

function listFiles(folder, isWanted) {
  if (!fs.existsSync(folder)) return [];
  const entries = fs.readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return listFiles(file, isWanted);
    return isWanted(file) ? [file] : [];
  });
}

function hashFiles(files) {
  const hash = crypto.createHash("sha256");
  for (const file of files)
    hash
      .update(`${path.relative(ROOT, file)}\0`)
      .update(fs.readFileSync(file))
      .update("\0");
  return hash.digest("hex");
}

function readOrEmpty(file) {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/**
 * Runs a program in the foreground; its failure is ours. A termination signal is passed on once. Ctrl-C is not: the
 * terminal has already sent it to the child as well.
 */
async function runOrFail(command, args, complaint) {
  let child;
  const passOn = (signal) => {
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  };
  // Before the child exists: a signal that ended us in between would leave it behind.
  for (const signal of FORWARDED_SIGNALS) process.on(signal, passOn);
  try {
    child = childProcess.spawn(command, args, { cwd: ROOT, stdio: "inherit" });
    const [status, signal] = await new Promise((resolve, reject) => {
      child.once("error", (error) => reject(new Failure(`${complaint}: ${error.message}`)));
      child.once("exit", (...outcome) => resolve(outcome));
    });
    if (signal) throw new Failure(`${complaint}: ended by ${signal}`, 128 + (os.constants.signals[signal] || 0));
    if (status !== 0) throw new Failure(complaint, status);
  } finally {
    for (const signal of FORWARDED_SIGNALS) process.off(signal, passOn);
  }
}

function cores() {
  return typeof os.availableParallelism === "function" ? os.availableParallelism() : os.cpus().length;
}

function seconds(startedMs) {
  return `${((Date.now() - startedMs) / 1000).toFixed(1)} s`;
}

function say(text) {
  process.stderr.write(`windrose: ${text}\n`);
}

main().catch((error) => {
  say(error instanceof Failure ? error.message : error.stack);
  process.exitCode = error.exitCode || 1;
});
