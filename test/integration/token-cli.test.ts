import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { ensureDevelopmentCertificates } from "../../src/identity/dev-certificates.js";
import { MAIN } from "../support/gateway.js";

const directory = mkdtempSync(join(tmpdir(), "windrose-token-cli-"));
after(() => rmSync(directory, { recursive: true, force: true }));
before(async () => {
  await ensureDevelopmentCertificates({ directory: join(directory, "certs"), hosts: [], isForced: false, now: new Date() });
});

function windrose(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, "token", ...args], { encoding: "utf8", cwd: directory });
}

async function verify(token: string, now = new Date()) {
  const keys = createLocalJWKSet(JSON.parse(readFileSync(join(directory, "certs", "dev-jwks.json"), "utf8")));
  const expected = { issuer: "https://dev.windrose.local", audience: "api", algorithms: ["ES256"], currentDate: now };
  return await jwtVerify(token.trim(), keys, expected);
}

describe("windrose token", () => {
  it("prints one token and nothing else, valid for the development key set", async () => {
    const { status, stdout, stderr } = windrose();
    assert.deepEqual([status, stderr], [0, ""]);
    assert.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const { payload } = await verify(stdout);
    assert.equal(payload.sub, "alice");
    assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 3600);
    const { keys } = JSON.parse(readFileSync(join(directory, "certs", "dev-jwks.json"), "utf8"));
    assert.equal(decodeProtectedHeader(stdout.trim()).kid, keys[0].kid);
  });

  it("tells header and claims beside the token with --json", async () => {
    const { status, stdout } = windrose("--json", "--sub", "bob", "--claim", "admin=true");
    assert.equal(status, 0);
    const { token, header, claims } = JSON.parse(stdout) as {
      token: string;
      header: object;
      claims: Record<string, unknown>;
    };
    const { payload, protectedHeader } = await verify(token);
    assert.deepEqual([claims, header], [payload, protectedHeader]);
    assert.deepEqual([claims["sub"], claims["admin"]], ["bob", true]);
  });

  it("takes subject, scope and claims, JSON where it is JSON", async () => {
    const { stdout } = windrose(
      "--sub",
      "bob",
      "--scope",
      "a:read b",
      "--claim",
      "tenant=acme=1",
      "--claim",
      "admin=true",
      "--claim",
      'groups=["x","y"]',
    );
    const { payload } = await verify(stdout);
    assert.equal(payload.sub, "bob");
    assert.equal(payload.scope, "a:read b");
    assert.equal(payload.tenant, "acme=1");
    assert.equal(payload.admin, true);
    assert.deepEqual(payload.groups, ["x", "y"]);
  });

  it("makes expired tokens and tokens of another issuer for trying refusals", async () => {
    await assert.rejects(verify(windrose("--expires=-1m").stdout), { code: "ERR_JWT_EXPIRED" });
    await assert.rejects(verify(windrose("--issuer", "https://other.test").stdout), { code: "ERR_JWT_CLAIM_VALIDATION_FAILED" });
    await assert.rejects(verify(windrose("--audience", "other").stdout), { code: "ERR_JWT_CLAIM_VALIDATION_FAILED" });
  });

  it("signs with the algorithm of the key it is given", () => {
    const keys = { RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }), EdDSA: generateKeyPairSync("ed25519") };
    for (const [algorithm, { privateKey }] of Object.entries(keys)) {
      const path = join(directory, `${algorithm}.pem`);
      writeFileSync(path, privateKey.export({ type: "pkcs8", format: "pem" }));
      const { stdout, stderr } = windrose("--key", path);
      assert.equal(stderr, "");
      assert.equal(decodeProtectedHeader(stdout.trim()).alg, algorithm);
    }
  });

  it("says what makes the key when it is missing, and quotes nothing of a broken one", () => {
    const missing = windrose("--key", "none.pem");
    assert.deepEqual([missing.status, missing.stderr], [1, 'windrose token: none.pem does not exist; "windrose certs dev" makes it\n']);
    writeFileSync(join(directory, "broken.pem"), "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n");
    const broken = windrose("--key", "broken.pem");
    assert.deepEqual([broken.status, broken.stderr], [1, "windrose token: broken.pem is not a private key in PEM form\n"]);
    const { privateKey } = generateKeyPairSync("x25519");
    writeFileSync(join(directory, "x25519.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
    assert.match(windrose("--key", "x25519.pem").stderr, /keys of this type cannot sign tokens/);
  });

  const refused: [args: string[], message: RegExp][] = [
    [["--expires", "soon"], /"soon" is not a duration/],
    [["--expires", ""], /is not a duration/],
    [["--claim", "x"], /--claim "x" is not NAME=VALUE/],
    [["--claim", "exp=1"], /the claim "exp" is set with --expires/],
    [["bob"], /unexpected "bob"/],
    [["--subject", "bob"], /unknown option --subject/],
  ];
  for (const [args, message] of refused) {
    it(`refuses "${args.join(" ")}"`, () => {
      const { status, stdout, stderr } = windrose(...args);
      assert.match(stderr, message);
      assert.deepEqual([status, stdout], [64, ""]);
    });
  }
});
