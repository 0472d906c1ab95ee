/** What workers have to say to a snapshot, as promises: one pending answer per worker. */
import type { WorkerHandle } from "./supervisor.js";

export type SnapshotReply =
  | { readonly result: "acknowledged" }
  | { readonly result: "rejected"; readonly message: string }
  /** No answer in time. */
  | { readonly result: "stalled" }
  /** The process ended first. */
  | { readonly result: "gone" };

interface Pending {
  readonly version: string;
  readonly settle: (reply: SnapshotReply) => void;
}

export class WorkerReplies {
  readonly #pending = new Map<number, Pending>();

  /** @param send puts the snapshot of this version on the worker's channel */
  ask(worker: WorkerHandle, version: string, { send, timeoutMs }: { send: () => void; timeoutMs: number }): Promise<SnapshotReply> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#settle(worker.id, { result: "stalled" }), timeoutMs);
      const settle = (reply: SnapshotReply): void => {
        clearTimeout(timer);
        resolve(reply);
      };
      this.#pending.set(worker.id, { version, settle });
      send();
    });
  }

  acknowledged(worker: WorkerHandle, version: string): void {
    if (this.#pending.get(worker.id)?.version === version) this.#settle(worker.id, { result: "acknowledged" });
  }

  rejected(worker: WorkerHandle, version: string, message: string): void {
    if (this.#pending.get(worker.id)?.version === version) this.#settle(worker.id, { result: "rejected", message });
  }

  ended(worker: WorkerHandle): void {
    this.#settle(worker.id, { result: "gone" });
  }

  #settle(workerId: number, reply: SnapshotReply): void {
    const pending = this.#pending.get(workerId);
    this.#pending.delete(workerId);
    pending?.settle(reply);
  }
}
