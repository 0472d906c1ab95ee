/** Endpoints of overrides: what an operator says of an address at run time. It makes no version of the configuration. */
import { type Answer, json, problem } from "./answers.js";
import { type Endpoint, endpoint } from "./endpoint.js";
import * as schemas from "./schemas.js";
import type { OverrideViews } from "./views.js";

const PATH = "/v1/services/{service}/endpoints/{address}/override";
const UNKNOWN = { about: "There is no such service, endpoint or override.", schema: schemas.apiProblem };

export function overrideEndpoints(views: OverrideViews): Endpoint[] {
  return [
    endpoint({
      method: "GET",
      path: "/v1/overrides",
      id: "getOverrides",
      about: "What operators have said of endpoints: drained ones, and weights.",
      access: "read",
      answers: { 200: { about: "All overrides, also of endpoints that are not there now.", schema: schemas.overrideList } },
      answer: () => json(200, { overrides: views.overrides() }),
    }),
    endpoint({
      method: "PUT",
      path: PATH,
      id: "setOverride",
      about:
        "Drain an endpoint, or give it another weight, until this is taken back or expires. It replaces the override there was, " +
        "outlives reloads, restarts and the endpoint's absence, and needs an endpoint that is there or a service that finds them at run time.",
      access: "write",
      body: schemas.overrideBody,
      answers: {
        200: { about: "All workers have been told.", schema: schemas.overrideDone },
        404: UNKNOWN,
        422: { about: "The address is none.", schema: schemas.apiProblem },
        507: { about: "There are too many overrides.", schema: schemas.apiProblem },
      },
      answer: ({ parameters, body, author }) => answerOf(views.override({ ...place(parameters), ...body, author })),
    }),
    endpoint({
      method: "DELETE",
      path: PATH,
      id: "deleteOverride",
      about: "Take an override back: the endpoint is again what its source says.",
      access: "write",
      answers: { 200: { about: "All workers have been told.", schema: schemas.restoreDone }, 404: UNKNOWN },
      answer: ({ parameters }) => answerOf(views.restore(place(parameters))),
    }),
  ];
}

function place(parameters: Readonly<Record<string, string>>): { readonly service: string; readonly address: string } {
  // The router lets only escapes of brackets and colons through.
  return { service: parameters["service"] as string, address: decodeURIComponent(parameters["address"] as string) };
}

const REFUSALS: Readonly<Record<string, readonly [status: number, title: string]>> = {
  notFound: [404, "There is no such endpoint"],
  invalid: [422, "This is no address of an endpoint"],
  full: [507, "There are too many overrides"],
};

function answerOf(value: { readonly result: string; readonly message?: string }): Answer {
  const [status, title] = REFUSALS[value.result] ?? [200, ""];
  if (status === 200) return { ...json(200, value), outcome: value.result };
  const { result, message = "" } = value;
  return problem(status, title, { detail: message, members: { result }, outcome: result });
}
