/** Where the admin server listens now, and its move when the configuration says so: the old one lets its callers finish. */
import type { AdminServer } from "../admin/admin-server.js";
import type { AdminSpec } from "../engine/model/snapshot.js";

export interface AdminSeat {
  readonly port: number;
  /**
   * @param port for one that the system is to choose
   * @throws when the address cannot be bound
   */
  open(spec: AdminSpec, port?: number): Promise<void>;
  /** As `open`; what another process lets go may be free a moment later. */
  openPatiently(spec: AdminSpec, port?: number): Promise<void>;
  /** Frees the address for another process; answers under way are still finished. */
  release(): void;
  /** After `release`: takes the address again. */
  resume(): Promise<void>;
  /** Null, or why the new address cannot be had; the old one is kept then. */
  move(spec: AdminSpec): Promise<string | null>;
  close(): Promise<void>;
}

const PATIENCE_MS = 5_000;
const PAUSE_MS = 20;

export function createAdminSeat(create: (spec: AdminSpec) => AdminServer): AdminSeat {
  return new Seat(create);
}

interface Taken {
  readonly server: AdminServer;
  readonly spec: AdminSpec;
}

class Seat implements AdminSeat {
  port = 0;
  readonly #create: (spec: AdminSpec) => AdminServer;
  #taken: Taken | null = null;

  constructor(create: (spec: AdminSpec) => AdminServer) {
    this.#create = create;
  }

  async open(spec: AdminSpec, port = 0): Promise<void> {
    const server = this.#create(spec.bind.port === 0 ? { ...spec, bind: { ...spec.bind, port } } : spec);
    this.port = (await server.listen()).port;
    this.#taken = { server, spec };
  }

  async openPatiently(spec: AdminSpec, port = 0): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await this.open(spec, port);
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  release(): void {
    void this.#taken?.server.close();
  }

  async resume(): Promise<void> {
    if (this.#taken !== null) await this.openPatiently(this.#taken.spec, this.port);
  }

  async move(spec: AdminSpec): Promise<string | null> {
    const taken = this.#taken;
    if (taken === null || isSame(taken.spec, spec)) return null;
    if (isSamePlace(taken.spec, spec)) {
      taken.server.setTokens(spec.tokens);
      this.#taken = { server: taken.server, spec };
      return null;
    }
    return await this.#moveFrom(taken, spec);
  }

  async close(): Promise<void> {
    await this.#taken?.server.close();
  }

  /** Two cannot listen on one address: when the places overlap, the new one follows the old one at once. */
  async #moveFrom(taken: Taken, spec: AdminSpec): Promise<string | null> {
    const overlaps = isSame(taken.spec.bind, spec.bind) || (taken.spec.socketPath !== "" && taken.spec.socketPath === spec.socketPath);
    const { port } = this;
    if (overlaps) void taken.server.close();
    try {
      // A port that the system chose is kept.
      await this.open(spec, isSame(taken.spec.bind, spec.bind) ? port : 0);
    } catch (error) {
      if (overlaps) await this.open(taken.spec, port);
      return (error as Error).message;
    }
    if (!overlaps) void taken.server.close();
    return null;
  }
}

function isSamePlace(a: AdminSpec, b: AdminSpec): boolean {
  return isSame(a.bind, b.bind) && a.socketPath === b.socketPath;
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
