/** A picker whose choice the service's guard must agree to. */
import type { Endpoint, Picker, PickRequest } from "../model/endpoint.js";
import type { ServiceGuard } from "./service-guard.js";

export class GuardedPicker implements Picker {
  readonly #picker: Picker;
  readonly #guard: ServiceGuard;

  constructor(picker: Picker, guard: ServiceGuard) {
    this.#picker = picker;
    this.#guard = guard;
  }

  pick(request: PickRequest): Endpoint | null {
    const endpoint = this.#picker.pick(request);
    if (endpoint !== null) return this.#guard.admits(endpoint, request.now) ? endpoint : null;
    this.#guard.takeRefusal();
    return null;
  }
}
