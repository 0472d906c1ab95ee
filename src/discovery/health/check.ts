/** One check of one endpoint: opens a connection as the service has it, asks what is to be asked, and says how it went. */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { checkServerIdentity, connect as connectTls, type PeerCertificate, TLSSocket } from "node:tls";
import type { EndpointSpec, HealthSpec, ServiceSpec } from "../../engine/model/snapshot.js";
import { MAX_TIMER_MS } from "../../engine/model/units.js";
import { checkGrpc } from "./grpc-check.js";
import { checkHttp } from "./http-check.js";

export interface CheckResult {
  readonly isPassed: boolean;
  /** One line for people. */
  readonly text: string;
}

/** Resolves to what is to be told of a check that passed; rejects with why it failed. */
export type Check = (connection: CheckConnection) => Promise<string>;

export interface CheckConnection {
  readonly socket: Socket;
  /** As the Host field says it, unless another is configured. */
  readonly authority: string;
  readonly isTls: boolean;
  readonly isHttp2: boolean;
}

export type CheckedService = Pick<ServiceSpec, "protocol" | "tls">;
export type Checked = Pick<EndpointSpec, "host" | "port">;

const MAX_TEXT = 200;

/** Never rejects. */
export async function check(endpoint: Checked, service: CheckedService, { probe, timeoutMs }: HealthSpec): Promise<CheckResult> {
  const address = { host: endpoint.host, port: probe.port === 0 ? endpoint.port : probe.port };
  let socket: Socket | null = null;
  let timer: NodeJS.Timeout | undefined;
  try {
    const opened = open(address, service, probe.type);
    socket = opened;
    timer = setTimeout(() => opened.destroy(new Error(`no answer within ${timeoutMs} ms`)), Math.min(timeoutMs, MAX_TIMER_MS));
    const broken = untilBroken(opened);
    await Promise.race([untilOpen(opened), broken]);
    const isHttp2 = opened instanceof TLSSocket ? opened.alpnProtocol === "h2" : service.protocol === "h2c" || probe.type === "grpc";
    const connection = { socket: opened, authority: authorityOf(address), isTls: opened instanceof TLSSocket, isHttp2 };
    return { isPassed: true, text: plain(await Promise.race([ask(connection, probe), broken])) };
  } catch (error) {
    return { isPassed: false, text: plain(messageOf(error)) };
  } finally {
    clearTimeout(timer);
    socket?.destroy();
  }
}

async function ask(connection: CheckConnection, probe: HealthSpec["probe"]): Promise<string> {
  switch (probe.type) {
    case "http":
      return await checkHttp(connection, probe);
    case "grpc":
      return await checkGrpc(connection, probe);
    case "tcp":
      return connection.isTls ? "connected, with TLS" : "connected";
  }
}

function open({ host, port }: Checked, { protocol, tls }: CheckedService, type: HealthSpec["probe"]["type"]): Socket {
  if (tls === null) return connectTcp({ host, port });
  const name = tls.serverName === "" ? host : tls.serverName;
  return connectTls({
    host,
    port,
    ALPNProtocols: type === "grpc" || protocol === "h2" ? ["h2"] : [...tls.alpn],
    minVersion: "TLSv1.2",
    rejectUnauthorized: tls.isVerified,
    ...(tls.caPem === "" ? {} : { ca: tls.caPem }),
    // SNI must not carry an address (RFC 6066 §3).
    ...(isIP(name) === 0 ? { servername: name } : {}),
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => checkServerIdentity(name, certificate),
  });
}

function untilOpen(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once(socket instanceof TLSSocket ? "secureConnect" : "connect", resolve));
}

/** Never resolves. The handler stays: an error after the check is nobody's. */
function untilBroken(socket: Socket): Promise<never> {
  const broken = new Promise<never>((_, reject) => {
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the connection was closed without an answer")));
  });
  broken.catch(() => undefined);
  return broken;
}

function authorityOf({ host, port }: Checked): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A name with several addresses fails with several errors, and no message of its own. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}

/** What comes from outside is shown in terminals and logs. */
export function plain(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]+/g, " ").trim();
  return clean.length > MAX_TEXT ? `${clean.slice(0, MAX_TEXT)}…` : clean;
}
