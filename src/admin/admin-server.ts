/**
 * The admin HTTP server of the primary, on TCP and, when configured, on a Unix socket: puts endpoints, access, audit and sockets
 * together. What is said comes from AdminViews.
 */
import type { AdminSpec } from "../engine/model/snapshot.js";
import { createJudge, isLoopbackHost, type Judge } from "./access.js";
import { json } from "./answers.js";
import { type AuditTrail, type LimitedAudit, limitStrangers } from "./audit.js";
import { configurationEndpoints } from "./configuration-endpoints.js";
import { type DoorParts, type OpenDoor, openAddress, openSocket } from "./doors.js";
import { type Endpoint, endpoint } from "./endpoint.js";
import { openApiDocument } from "./openapi.js";
import { overrideEndpoints } from "./override-endpoints.js";
import { createRequestHandler } from "./request-handler.js";
import { createRouter } from "./router.js";
import { anyJson } from "./schemas.js";
import { statusEndpoints } from "./status-endpoints.js";
import { AdminUnavailable } from "./unavailable.js";
import type { AdminViews } from "./views.js";

export interface AdminServerOptions extends AdminSpec {
  /** Of Windrose. */
  readonly version: string;
  readonly views: AdminViews;
  readonly audit: AuditTrail;
  /** A view failed; the caller only sees a 500. */
  readonly onError?: (error: unknown) => void;
}

export interface AdminServer {
  /** Rejects with AdminUnavailable when an address or the socket cannot be had, or the address is not loopback and there is no token. */
  listen(): Promise<{ readonly port: number }>;
  /** What does not change stays open. Rejects as `listen` does, and everything is as before then. */
  move(next: AdminSpec): Promise<{ readonly port: number }>;
  /** Accepts no more at once; requests in flight have a few seconds to be answered. May be called again. */
  close(): Promise<void>;
}

export function createAdminServer(options: AdminServerOptions): AdminServer {
  return new Doors(options);
}

class Doors implements AdminServer {
  readonly #parts: DoorParts;
  readonly #audit: LimitedAudit;
  #spec: AdminSpec;
  #judge: Judge;
  /** The last one. */
  #port = 0;
  /** Null: closed, perhaps for a while only. */
  #address: OpenDoor | null = null;
  #socket: OpenDoor | null = null;

  constructor(options: AdminServerOptions) {
    const { views, audit, onError = () => undefined } = options;
    this.#spec = options;
    this.#judge = createJudge(options.tokens);
    this.#audit = limitStrangers(audit);
    const handler = createRequestHandler({
      router: createRouter(adminEndpoints(options)),
      judge: () => this.#judge,
      audit: this.#audit,
      servedVersion: () => views.info().snapshotVersion,
      onError,
    });
    this.#parts = { handler, onError };
  }

  async listen(): Promise<{ readonly port: number }> {
    const { bind, socketPath } = this.#spec;
    requireToken(this.#spec);
    const address = await openAddress(bind, this.#parts);
    try {
      this.#socket = await this.#openSocket(socketPath);
    } catch (error) {
      void address.close();
      throw error;
    }
    this.#address = address;
    return this.#become(this.#spec);
  }

  async move(next: AdminSpec): Promise<{ readonly port: number }> {
    requireToken(next);
    if (this.#address === null) return this.#become(next);
    const [oldAddress, oldSocket, old] = [this.#address, this.#socket, this.#spec];
    const hasSocketMoved = next.socketPath !== old.socketPath;
    const socket = hasSocketMoved ? await this.#openSocket(next.socketPath) : oldSocket;
    try {
      this.#address = isSameAddress(next, old) ? oldAddress : await this.#moveAddress(next.bind);
    } catch (error) {
      if (hasSocketMoved) void socket?.close();
      throw error;
    }
    if (hasSocketMoved) void oldSocket?.close();
    this.#socket = socket;
    return this.#become(next);
  }

  #become(next: AdminSpec): { readonly port: number } {
    this.#judge = createJudge(next.tokens);
    this.#spec = next;
    this.#port = this.#address?.port ?? this.#port;
    return { port: this.#port };
  }

  async close(): Promise<void> {
    const doors = [this.#address, this.#socket];
    [this.#address, this.#socket] = [null, null];
    await Promise.all(doors.map((door) => door?.close()));
    this.#audit.flush();
  }

  async #openSocket(path: string): Promise<OpenDoor | null> {
    return path === "" ? null : await openSocket(path, this.#parts);
  }

  /** 127.0.0.1 and 0.0.0.0 cannot share a port: then the old address is given up first, and taken again if the new one is not to be had. */
  async #moveAddress(bind: AdminSpec["bind"]): Promise<OpenDoor> {
    const { bind: oldBind } = this.#spec;
    const overlaps = bind.port === this.#port;
    const closed = this.#address;
    if (overlaps) void closed?.close();
    try {
      const opened = await openAddress(bind, this.#parts);
      if (!overlaps) void closed?.close();
      return opened;
    } catch (error) {
      if (overlaps) this.#address = await openAddress({ ...oldBind, port: this.#port }, this.#parts);
      throw error;
    }
  }
}

function requireToken({ bind, tokens }: AdminSpec): void {
  if (isLoopbackHost(bind.host) || tokens.length > 0) return;
  throw new AdminUnavailable(`admin: ${bind.host} is not a loopback address: a token is required`);
}

/** Port 0 is whichever there is. */
function isSameAddress({ bind: next }: AdminSpec, { bind: old }: AdminSpec): boolean {
  return next.host === old.host && (next.port === old.port || next.port === 0);
}

/** Every endpoint, the description of all of them included. */
export function adminEndpoints({ views, audit, version }: Pick<AdminServerOptions, "views" | "audit" | "version">): readonly Endpoint[] {
  const endpoints: Endpoint[] = [...statusEndpoints(views, audit), ...overrideEndpoints(views), ...configurationEndpoints(views)];
  endpoints.push(
    endpoint({
      method: "GET",
      path: "/v1/openapi.json",
      id: "getOpenApi",
      about: "This API as an OpenAPI 3.1 document.",
      access: "read",
      answers: { 200: { about: "The document.", schema: anyJson } },
      answer: () => json(200, openApiDocument(endpoints, version)),
    }),
  );
  return endpoints;
}
