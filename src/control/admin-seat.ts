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
  /** Of the specification, as the server was told: with the port that the system chose, when it is to stay. */
  readonly bind: AdminSpec["bind"];
}

class Seat implements AdminSeat {
  port = 0;
  readonly #create: (spec: AdminSpec) => AdminServer;
  #taken: Taken | null = null;

  constructor(create: (spec: AdminSpec) => AdminServer) {
    this.#create = create;
  }

  async open(spec: AdminSpec, port = 0): Promise<void> {
    const bind = spec.bind.port === 0 ? { ...spec.bind, port } : spec.bind;
    const server = this.#create({ ...spec, bind });
    this.port = (await server.listen()).port;
    this.#taken = { server, spec, bind };
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
    if (this.#taken === null) return null;
    const { server, spec: former } = this.#taken;
    const isSameBind = former.bind.host === spec.bind.host && former.bind.port === spec.bind.port;
    const bind = isSameBind ? this.#taken.bind : spec.bind;
    try {
      this.port = (await server.move({ ...spec, bind })).port;
      this.#taken = { server, spec, bind };
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  }

  async close(): Promise<void> {
    await this.#taken?.server.close();
  }
}
