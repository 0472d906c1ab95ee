/** Draws a backend of the route, and asks its picker for an endpoint with everything that it may want to know. */
import { type Endpoint, PickRequest } from "../engine/model/endpoint.js";
import type { ErrorCode } from "../engine/model/errors.js";
import type { TemplateContext } from "../engine/model/template.js";
import { chooseBackend } from "../engine/routing/choose-backend.js";
import type { BackendRuntime, ServiceRuntime } from "./runtime.js";

/** Undefined when none has weight. */
export function pickBackend(backends: readonly BackendRuntime[]): BackendRuntime | undefined {
  return backends[chooseBackend(backends, Math.random())];
}

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

/** Why there is no endpoint for a first attempt; right after a pick that gave none. */
export function whyNone({ guard }: ServiceRuntime): [code: ErrorCode, detail: string] {
  const refusal = guard?.takeRefusal() ?? null;
  return refusal === null ? ["no-healthy-endpoint", "no endpoint can take traffic"] : [refusal.code, refusal.detail];
}
