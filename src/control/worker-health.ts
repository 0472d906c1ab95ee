/** Health in a worker: what the primary last said of each service, applied to whatever endpoints the service has. */
import type { Endpoint, EndpointSet } from "../engine/model/endpoint.js";
import type { HealthMessage } from "./protocol.js";

export class WorkerHealth {
  readonly #latest = new Map<string, HealthMessage>();

  /** False: something newer is known. */
  take(message: HealthMessage): boolean {
    if (message.version < (this.#latest.get(message.service)?.version ?? 0)) return false;
    this.#latest.set(message.service, message);
    return true;
  }

  /**
   * After news, and whenever the endpoints of the service have changed. One that comes back starts slowly, if the service has it so.
   * @returns those that are healthy again
   */
  apply(service: string, set: EndpointSet, now: number): readonly Endpoint[] {
    const latest = this.#latest.get(service);
    const recovered: Endpoint[] = [];
    if (latest === undefined) return recovered;
    const unhealthy = new Set(latest.unhealthy);
    let isChanged = false;
    for (const endpoint of set.endpoints) {
      const isHealthy = !unhealthy.has(endpoint.id);
      if (endpoint.isHealthy === isHealthy) continue;
      endpoint.isHealthy = isHealthy;
      isChanged = true;
      if (!isHealthy) continue;
      endpoint.startedAt = now;
      recovered.push(endpoint);
    }
    if (isChanged) set.touch();
    return recovered;
  }

  /** Forgets the services that are no more. */
  retain(names: ReadonlySet<string>): void {
    for (const name of this.#latest.keys()) if (!names.has(name)) this.#latest.delete(name);
  }
}
