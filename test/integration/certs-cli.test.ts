import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connect } from "node:tls";
import { promisify } from "node:util";
import { MAIN } from "../support/gateway.js";
import { needProgram } from "../support/programs.js";

const directory = mkdtempSync(join(tmpdir(), "windrose-certs-cli-"));
const certs = join(directory, "certs");
after(() => rmSync(directory, { recursive: true, force: true }));

function windrose(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8", cwd: directory });
}

describe("windrose certs dev", () => {
  before(() => {
    const { status, stdout } = windrose(
      "certs",
      "dev",
      "--name",
      "api.example.test",
      "--name",
      "BÜCHER.example.test",
      "--name",
      "orders.localhost",
    );
    assert.equal(status, 0);
    assert.match(stdout, /written certs\/ca\.pem {2}\(missing\)\n/);
    assert.equal(stdout.trim().split("\n").length, 6);
  });

  it("says it as JSON, too", () => {
    const { status, stdout } = windrose("certs", "dev", "--json");
    assert.equal(status, 0);
    const { files } = JSON.parse(stdout) as { files: { path: string; action: string; reason: string }[] };
    assert.deepEqual(new Set(files.map(({ action }) => action)), new Set(["kept"]));
    assert.ok(files.some(({ path, reason }) => path.endsWith("ca.pem") && reason !== ""));
  });

  it("says what it kept, or nothing at all", () => {
    const { status, stdout } = windrose("certs", "dev");
    assert.equal(status, 0);
    assert.match(stdout, /kept {4}certs\/ca\.pem {2}\(valid until 20\d\d-\d\d-\d\d\)\n/);
    assert.doesNotMatch(stdout, /written/);
    const quiet = windrose("certs", "dev", "--quiet");
    assert.deepEqual([quiet.status, quiet.stdout, quiet.stderr], [0, "", ""]);
  });

  it("makes a chain that a TLS client trusts for its names and refuses for others", async (t) => {
    const server = createServer({ cert: readFileSync(join(certs, "localhost.pem")), key: readFileSync(join(certs, "localhost-key.pem")) });
    t.after(() => server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const ca = readFileSync(join(certs, "ca.pem"));
    const authorised = async (servername: string): Promise<boolean> => {
      const socket = connect({ host: "127.0.0.1", port, servername, ca });
      try {
        await once(socket, "secureConnect");
        return socket.authorized;
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, "ERR_TLS_CERT_ALTNAME_INVALID");
        return false;
      } finally {
        socket.destroy();
      }
    };
    for (const name of ["localhost", "orders.localhost", "api.example.test", "xn--bcher-kva.example.test"])
      assert.equal(await authorised(name), true, name);
    assert.equal(await authorised("example.test"), false);
  });

  it("makes a CA that curl trusts", async (t) => {
    if (!needProgram(t, "curl")) return;
    const options = { cert: readFileSync(join(certs, "localhost.pem")), key: readFileSync(join(certs, "localhost-key.pem")) };
    const server = createServer(options, (_, response) => response.end("hello"));
    t.after(() => server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const curl = promisify(execFile);
    for (const host of ["localhost", "127.0.0.1"]) {
      const { stdout } = await curl("curl", [
        "-sS",
        "--noproxy",
        "*",
        "--max-time",
        "10",
        "--cacert",
        join(certs, "ca.pem"),
        `https://${host}:${port}/`,
      ]);
      assert.equal(stdout, "hello");
    }
  });

  it("is verified by openssl with strict rules", (t) => {
    if (!needProgram(t, "openssl")) return;
    const args = [
      "verify",
      "-x509_strict",
      "-purpose",
      "sslserver",
      "-verify_hostname",
      "localhost",
      "-CAfile",
      join(certs, "ca.pem"),
      join(certs, "localhost.pem"),
    ];
    const { status, stderr } = spawnSync("openssl", args, { encoding: "utf8" });
    assert.equal(status, 0, stderr);
  });

  it("leaves no temporary files", () => {
    assert.deepEqual(
      readdirSync(certs).filter((name) => name.endsWith(".tmp")),
      [],
    );
  });

  const refused: [args: string[], message: RegExp][] = [
    [["certs"], /say which: "certs dev"/],
    [["certs", "prod"], /unknown kind "prod"/],
    [["certs", "dev", "extra"], /unexpected "extra"/],
    [["certs", "dev", "--nmae", "x"], /unknown option --nmae \(did you mean --name\?\)/],
    [["certs", "dev", "--name", "not a name"], /"not a name" is neither a DNS name nor an IP address/],
    [["certs", "dev", "--name", "a.*.test"], /neither a DNS name/],
    [["certs", "dev", "--name", "-a.test"], /neither a DNS name|argument/],
    [["certs", "dev", "--name"], /argument missing/],
  ];
  for (const [args, message] of refused) {
    it(`refuses "${args.join(" ")}"`, () => {
      const { status, stdout, stderr } = windrose(...args);
      assert.match(stderr, message);
      assert.deepEqual([status, stdout], [64, ""]);
    });
  }

  it("says in one line that it cannot write", () => {
    const { status, stderr } = windrose("certs", "dev", "--dir", join(directory, "certs", "ca.pem", "below"));
    assert.equal(status, 1);
    assert.match(stderr, /^windrose: ENOTDIR.*\n$/);
  });
});
