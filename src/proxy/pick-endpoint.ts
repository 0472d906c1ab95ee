/** Asks a backend's picker for an endpoint, with everything that it may want to know. */
import { type Endpoint, PickRequest } from "../engine/model/endpoint.js";
import type { TemplateContext } from "../engine/model/template.js";
import type { BackendRuntime } from "./runtime.js";

/** One for all: picks are synchronous, and pickers keep nothing of it. */
const request = new PickRequest();

/** When, and after whom; for the very next `pickEndpoint`. */
export function pickOccasion(now: number, tried: readonly Endpoint[] | null): PickRequest {
  request.now = now;
  request.tried = tried;
  return request;
}

/** @returns null when no endpoint can take traffic */
export function pickEndpoint(context: TemplateContext, { picker, service }: BackendRuntime, occasion: PickRequest): Endpoint | null {
  const { hashKey } = service;
  occasion.random = Math.random();
  occasion.hash = hashKey === null ? 0 : hashKey.of(context, occasion.random);
  return picker.pick(occasion);
}
