/** The EndpointSlices of some services as they are known now. A name is one slice, whichever service its label says it belongs to. */
import type { Slice } from "./read-objects.js";

export class SliceStore {
  readonly #byName = new Map<string, Slice>();
  readonly #byService = new Map<string, Map<string, Slice>>();
  #endpoints = 0;

  constructor(slices: readonly Slice[] = []) {
    for (const slice of slices) this.put(slice);
  }

  /** Of all slices. */
  get endpoints(): number {
    return this.#endpoints;
  }

  get size(): number {
    return this.#byName.size;
  }

  of(service: string): readonly Slice[] {
    return [...(this.#byService.get(service)?.values() ?? [])];
  }

  /** @returns the services that it concerns: a slice may have gone from one to another */
  put(slice: Slice): readonly string[] {
    const concerned = this.delete(slice.name);
    this.#byName.set(slice.name, slice);
    const siblings = this.#byService.get(slice.service) ?? new Map<string, Slice>();
    this.#byService.set(slice.service, siblings.set(slice.name, slice));
    this.#endpoints += slice.endpoints.length;
    return [...concerned, slice.service];
  }

  /** @returns the services that it concerned */
  delete(name: string): readonly string[] {
    const known = this.#byName.get(name);
    if (known === undefined) return [];
    this.#byName.delete(name);
    const siblings = this.#byService.get(known.service);
    siblings?.delete(name);
    if (siblings?.size === 0) this.#byService.delete(known.service);
    this.#endpoints -= known.endpoints.length;
    return [known.service];
  }
}
