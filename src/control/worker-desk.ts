/** The primary's answers to its workers: leases, key refreshes, metrics. One desk serves all workers. */
import type { LeaseGrant, LeaseRequest } from "../limits/lease.js";
import type { MetricJson } from "../telemetry/metric-json.js";
import type { EndpointReport, WorkerMessage } from "./protocol.js";
import { Questions } from "./questions.js";
import type { WorkerHandle } from "./supervisor.js";

/** A worker that does not report in time is left out of the scrape; its last totals stand. */
const COLLECT_TIMEOUT_MS = 1_000;

export interface DeskServices {
  lease(request: LeaseRequest): Promise<LeaseGrant>;
  refreshKeys(provider: string): Promise<void>;
  recordMetrics(workerId: number, metrics: readonly MetricJson[]): void;
  log(message: string, error: unknown): void;
}

export interface WorkerDesk {
  /** True when the message was one of the desk's. */
  receive(worker: WorkerHandle, message: WorkerMessage): boolean;
  /** Asks all workers for fresh metrics. */
  collect(workers: readonly WorkerHandle[]): Promise<void>;
  /** What all workers know of the endpoints of these services; those that do not answer in time are left out. */
  inspect(workers: readonly WorkerHandle[], services: readonly string[]): Promise<readonly EndpointReport[]>;
}

export function createWorkerDesk(services: DeskServices): WorkerDesk {
  const collections = new Questions<null>(COLLECT_TIMEOUT_MS);
  const inspections = new Questions<readonly EndpointReport[]>(COLLECT_TIMEOUT_MS);

  async function lease(worker: WorkerHandle, id: number, request: LeaseRequest): Promise<void> {
    let grant: LeaseGrant | null = null;
    try {
      grant = await services.lease(request);
    } catch (error) {
      services.log("the rate-limit store failed", error);
    }
    worker.channel.send({ type: "leaseReply", id, grant });
  }

  async function refreshKeys(worker: WorkerHandle, id: number, provider: string): Promise<void> {
    try {
      await services.refreshKeys(provider);
    } catch (error) {
      services.log(`the keys of JWT provider ${provider} could not be refreshed`, error);
    }
    worker.channel.send({ type: "refreshReply", id });
  }

  return {
    receive(worker, message) {
      switch (message.type) {
        case "lease":
          void lease(worker, message.id, message.request);
          return true;
        case "refreshKeys":
          void refreshKeys(worker, message.id, message.provider);
          return true;
        case "metrics":
          services.recordMetrics(worker.id, message.metrics);
          collections.answer(message.id, null);
          return true;
        case "inspected":
          inspections.answer(message.id, message.endpoints);
          return true;
        default:
          return false;
      }
    },
    async inspect(workers, services) {
      const asked = workers.filter((worker) => worker.isReady);
      const ask = (worker: WorkerHandle) => inspections.ask((id) => worker.channel.send({ type: "inspect", id, services }));
      const answers = await Promise.allSettled(asked.map(ask));
      return answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    },
    async collect(workers) {
      const asked = workers.filter((worker) => worker.isReady);
      await Promise.allSettled(asked.map((worker) => collections.ask((id) => worker.channel.send({ type: "collect", id }))));
    },
  };
}
