/** A real cluster of etcd with data of its own, and what services would write into it. Needs etcd 3.4. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts, type ServerProgram, serverProgram } from "./server-program.js";

export interface Etcd {
  readonly urls: readonly string[];
  /** The first member's other address, for those that it trusts; "" without `tls`. */
  readonly secureUrl: string;
  readonly members: readonly ServerProgram[];
  put(values: Readonly<Record<string, unknown>>): Promise<void>;
  /** All keys that begin so. */
  clear(prefix: string): Promise<void>;
  /** A value under a lease of a second, which is renewed until it is told to stop. */
  hold(key: string, value: unknown): Promise<{ stop(): Promise<void> }>;
  /** Forgets everything but what is. */
  compact(): Promise<void>;
  /** Any question to the first member that lives. @param token of a login */
  ask(path: string, body: object, token?: string): Promise<Record<string, unknown>>;
  stop(): Promise<void>;
}

export interface EtcdOptions {
  readonly members: number;
  /** PEM texts: its own certificate, and whose clients it talks to. For one member. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly clientCa: string };
}

/** Operations of one transaction. */
const MAX_OPERATIONS = 100;

const TLS_FLAGS: Readonly<Record<string, string>> = { cert: "cert-file", key: "key-file", clientCa: "trusted-ca-file" };

export async function startEtcd({ members: count, tls }: EtcdOptions): Promise<Etcd> {
  const directory = mkdtempSync(join(tmpdir(), "windrose-etcd-"));
  const [securePort, ...ports] = await freePorts(1 + count * 2);
  const urls = ports.slice(0, count).map((port) => `http://127.0.0.1:${port}`);
  const peers = ports.slice(count).map((port) => `http://127.0.0.1:${port}`);
  const secureUrl = tls === undefined ? "" : `https://127.0.0.1:${securePort}`;
  const tlsArguments = Object.entries(tls ?? {}).flatMap(([name, pem]) => {
    writeFileSync(join(directory, name), pem);
    return [`--${TLS_FLAGS[name]}`, join(directory, name)];
  });
  const cluster = peers.map((peer, index) => `m${index}=${peer}`).join(",");
  const members = urls.map((url, index) =>
    serverProgram({
      command: [
        "etcd",
        ...["--name", `m${index}`, "--data-dir", join(directory, `m${index}`)],
        ...["--listen-client-urls", tls === undefined ? url : `${url},${secureUrl}`, "--advertise-client-urls", url],
        ...["--listen-peer-urls", peers[index] as string, "--initial-advertise-peer-urls", peers[index] as string],
        ...["--initial-cluster", cluster, "--unsafe-no-fsync", "--logger", "zap", "--log-level", "error"],
        ...(tls === undefined ? [] : ["--client-cert-auth", ...tlsArguments]),
      ],
      isReady: () => isHealthy(url),
    }),
  );
  await Promise.all(members.map((member) => member.start()));

  const etcd: Etcd = {
    urls,
    secureUrl,
    members,
    async put(values) {
      const operations = Object.entries(values).map(([key, value]) => ({ request_put: { key: base64(key), value: encode(value) } }));
      for (let i = 0; i < operations.length; i += MAX_OPERATIONS) {
        await etcd.ask("/v3/kv/txn", { success: operations.slice(i, i + MAX_OPERATIONS) });
      }
    },
    async clear(prefix) {
      await etcd.ask("/v3/kv/deleterange", { key: base64(prefix), range_end: base64(`${prefix}\u{10ffff}`) });
    },
    async hold(key, value) {
      const { ID: id } = await etcd.ask("/v3/lease/grant", { TTL: "1" });
      await etcd.ask("/v3/kv/put", { key: base64(key), value: encode(value), lease: id });
      const timer = setInterval(() => void etcd.ask("/v3/lease/keepalive", { ID: id }).catch(() => {}), 300).unref();
      return { stop: async () => clearInterval(timer) };
    },
    async compact() {
      const { header } = await etcd.ask("/v3/kv/range", { key: base64("x") });
      await etcd.ask("/v3/kv/compaction", { revision: (header as { revision: string }).revision, physical: true });
    },
    async ask(path, body, token) {
      for (const url of urls) {
        const answer = await post(`${url}${path}`, body, token).catch(() => null);
        if (answer === null || answer.status === 503) continue;
        if (answer.status !== 200) throw new Error(`etcd answered ${path} with ${answer.status}: ${await answer.text()}`);
        return (await answer.json()) as Record<string, unknown>;
      }
      throw new Error(`no member of etcd answers ${path}`);
    },
    async stop() {
      await Promise.all(members.map((member) => member.kill()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return etcd;
}

/** A member that has a leader; it may want to know who asks. */
async function isHealthy(url: string): Promise<boolean> {
  return await post(`${url}/v3/kv/range`, { key: base64("x") }).then(
    ({ status }) => status === 200 || status === 400,
    () => false,
  );
}

function post(url: string, body: object, token = ""): Promise<Response> {
  const headers = { "content-type": "application/json", ...(token === "" ? {} : { authorization: token }) };
  return fetch(url, { method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(3_000) });
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

function encode(value: unknown): string {
  return base64(typeof value === "string" ? value : JSON.stringify(value));
}
