import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { eventually, type GatewayExit, MAIN, watchProcess, within } from "../support/gateway.js";
import { needProgram } from "../support/programs.js";
import { findFreePorts } from "../support/upstream.js";

const runFile = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), "windrose-quickstart-"));
after(() => rmSync(directory, { recursive: true, force: true }));

/** The shipped configuration on free ports: the ports of the original are other people's, too. */
interface Copy {
  readonly configPath: string;
  /** By the port in the original. */
  readonly ports: ReadonlyMap<number, number>;
}

async function copyConfiguration(): Promise<Copy> {
  const originals = [8443, 8080, 9101, 9102, 9201, 9202, 9901];
  const free = await findFreePorts(originals.length);
  const ports = new Map(originals.map((port, index) => [port, free[index] ?? 0]));
  const text = readFileSync("config/quickstart.yaml", "utf8").replace(/\b(8443|8080|9101|9102|9201|9202|9901)\b/g, (port) =>
    String(ports.get(Number(port))),
  );
  const folder = mkdtempSync(join(directory, "run-"));
  mkdirSync(join(folder, "config"));
  const configPath = join(folder, "config", "quickstart.yaml");
  writeFileSync(configPath, text);
  return { configPath, ports };
}

interface Started {
  readonly child: ChildProcess;
  readonly exit: Promise<GatewayExit>;
  stdout(): string;
  stderr(): string;
}

function start({ configPath }: Copy): Started {
  const folder = join(configPath, "..", "..");
  const args = [MAIN, "quickstart", "--config", configPath, "--certs", join(folder, "certs")];
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  return { child, ...watchProcess(child) };
}

/** Processes started by `pid`, directly or not. */
function descendants(pid: number): number[] {
  const parents = readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      // "pid (command) state parent …"; the command may hold anything.
      const parent = Number(readFileSync(`/proc/${name}/stat`, "utf8").split(") ").at(-1)?.split(" ")[1]);
      return [[Number(name), parent] as const];
    } catch {
      return [];
    }
  });
  const children = parents.filter(([, parent]) => parent === pid).map(([child]) => child);
  return children.flatMap((child) => [child, ...descendants(child)]);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ port, host: "127.0.0.1" });
    await once(server, "listening");
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

describe("windrose quickstart", () => {
  describe("running", () => {
    let copy: Copy;
    let quickstart: Started;
    before(async () => {
      copy = await copyConfiguration();
      quickstart = start(copy);
      await eventually(
        () => quickstart.stdout().includes("Ctrl-C stops everything") || quickstart.child.exitCode !== null,
        "quickstart is ready",
        30_000,
      );
      assert.equal(quickstart.child.exitCode, null, quickstart.stderr());
    });
    after(() => quickstart.child.kill("SIGKILL"));

    /** The printed command below a comment that begins with `# status`. */
    function command(status: number): string {
      const found = new RegExp(`^# ${status}: .*\n(.*)$`, "m").exec(quickstart.stdout())?.[1];
      assert.ok(found, `no command for ${status} in:\n${quickstart.stdout()}`);
      return found;
    }

    async function paste(line: string): Promise<string> {
      const env = { ...process.env, no_proxy: "*", NO_PROXY: "*" };
      const { stdout } = await runFile("bash", ["-c", line], { cwd: join(copy.configPath, "..", ".."), env });
      return stdout;
    }

    const STATUS_ONLY = " -s -o /dev/null -w '%{http_code}'";

    it("says what runs where", () => {
      const text = quickstart.stdout();
      assert.match(text, new RegExp(`https://localhost:${copy.ports.get(8443)} `));
      assert.match(text, new RegExp(`http://localhost:${copy.ports.get(8080)} `));
      assert.match(text, new RegExp(`http://127\\.0\\.0\\.1:${copy.ports.get(9901)} `));
      for (const port of [9101, 9102, 9201, 9202]) assert.match(text, new RegExp(`127\\.0\\.0\\.1:${copy.ports.get(port)}\\b`));
    });

    it("prints a command that gets an answer from the service, which learns who asks", async (t) => {
      if (!needProgram(t, "curl")) return;
      const answer = JSON.parse(await paste(command(200)));
      assert.equal(answer.service, "orders");
      assert.equal(answer.method, "GET");
      assert.equal(answer.path, "/orders/1");
      assert.ok([copy.ports.get(9101), copy.ports.get(9102)].includes(answer.endpoint));
      assert.equal(answer.headers["x-user"], "alice");
      assert.match(answer.headers["x-request-id"], /./);
    });

    it("prints a command that gets 401 for want of a token", async (t) => {
      if (!needProgram(t, "curl")) return;
      assert.equal(await paste(command(401) + STATUS_ONLY), "401");
    });

    it("prints a command that runs into the limit", async (t) => {
      if (!needProgram(t, "curl")) return;
      const statuses = (await paste(command(429))).trim().split("\n");
      assert.equal(statuses.at(-1), "429");
      assert.deepEqual(
        [...new Set(statuses)].filter((status) => status !== "200" && status !== "429"),
        [],
      );
    });

    it("serves the public route by turns and redirects plain HTTP", async (t) => {
      if (!needProgram(t, "curl")) return;
      const catalog = `curl --cacert certs/ca.pem -sS https://localhost:${copy.ports.get(8443)}/catalog`;
      const endpoints = new Set<number>();
      for (let i = 0; i < 8; i++) endpoints.add(JSON.parse(await paste(catalog)).endpoint);
      assert.equal(endpoints.size, 2);
      const redirected = await paste(
        `curl -sS -o /dev/null -w '%{http_code} %{redirect_url}' http://localhost:${copy.ports.get(8080)}/catalog?a=1`,
      );
      assert.equal(redirected, `308 https://localhost:${copy.ports.get(8443)}/catalog?a=1`);
    });

    it("leaves nothing behind after Ctrl-C, even when npm repeats the signal", async () => {
      const { child, exit } = quickstart;
      const workers = descendants(child.pid ?? 0);
      assert.ok(workers.length > 0, "workers are processes of their own");
      child.kill("SIGINT");
      child.kill("SIGINT");
      const { code, signal } = await within(40_000, exit, () => `did not stop:\n${quickstart.stderr()}`);
      assert.deepEqual([code, signal], [0, null], quickstart.stderr());
      await eventually(() => !workers.some(isRunning), "all workers have ended");
      for (const port of copy.ports.values()) assert.equal(await isFree(port), true, `port ${port}`);
    });
  });

  const wanted: [port: number, who: RegExp][] = [
    [8443, /listener "public"/],
    [8080, /listener "plain"/],
    [9102, /demo service "orders"/],
    [9901, /admin/],
  ];
  for (const [original, who] of wanted) {
    it(`says in one line that port ${original} is taken and who wanted it, and ends with 69`, async () => {
      const copy = await copyConfiguration();
      const port = copy.ports.get(original) ?? 0;
      const holder = createServer().listen({ port, host: "127.0.0.1" });
      await once(holder, "listening");
      try {
        const { child, exit } = start(copy);
        const { code, stdout, stderr } = await within(30_000, exit, () => "did not end").finally(() => child.kill("SIGKILL"));
        assert.deepEqual([code, stdout], [69, ""], stderr);
        const lines = stderr
          .trim()
          .split("\n")
          .filter((line) => !line.includes("made development certificates"));
        assert.equal(lines.length, 1, stderr);
        assert.match(lines[0] ?? "", new RegExp(`\\b${port}\\b.* already in use`));
        assert.match(lines[0] ?? "", who);
      } finally {
        holder.close();
      }
    });
  }
});
