/** Endpoints of the configuration: its versions, what may be done with them, and what it would do with a request. */
import { type Answer, json, problem, resultAnswer } from "./answers.js";
import { type AnswerText, type Endpoint, endpoint } from "./endpoint.js";
import * as schemas from "./schemas.js";
import type { AdminViews } from "./views.js";

/** What an order may come to besides success. */
const REFUSALS = {
  404: { about: "There is no such version.", schema: schemas.apiProblem },
  409: { about: "Another change is under way; nothing was done.", schema: schemas.apiProblem },
  422: { about: "The configuration has problems; what was served is still served.", schema: schemas.apiProblem },
  501: { about: "Not possible as this gateway was started.", schema: schemas.apiProblem },
  503: { about: "The change could not be put into service; what was served is still served.", schema: schemas.apiProblem },
} as const satisfies Readonly<Record<number, AnswerText>>;

export function configurationEndpoints(views: AdminViews): Endpoint[] {
  return [...versionEndpoints(views), ...changeEndpoints(views), ...inquiryEndpoints(views)];
}

function versionEndpoints(views: AdminViews): Endpoint[] {
  return [
    endpoint({
      method: "GET",
      path: "/v1/config/status",
      id: "getConfigStatus",
      about: "Which version is served since when, whether the one on disk differs, and how the last change went.",
      access: "read",
      answers: { 200: { about: "The state of the configuration.", schema: schemas.configStatus } },
      answer: async () => json(200, await views.configStatus()),
    }),
    endpoint({
      method: "GET",
      path: "/v1/versions",
      id: "getVersions",
      about: "Versions that were accepted, newest first.",
      access: "read",
      answers: { 200: { about: "The versions that are kept.", schema: schemas.versionList } },
      answer: async () => json(200, { served: views.info().snapshotVersion, versions: await views.versions() }),
    }),
    endpoint({
      method: "GET",
      path: "/v1/versions/{id}",
      id: "getVersion",
      about: "A version with its texts. They may hold secrets, so this takes the role write and is recorded in the audit log.",
      access: "write",
      answers: { 200: { about: "The version.", schema: schemas.storedVersion }, 404: REFUSALS[404] },
      answer: async ({ parameters }) => versionAnswer(await views.version(parameters["id"] as string)),
    }),
    endpoint({
      method: "GET",
      path: "/v1/versions/{id}/diff/{other}",
      id: "getDiff",
      about: "Objects that have to change to get from one version to the other.",
      access: "read",
      answers: { 200: { about: "The changes.", schema: schemas.diff }, 404: REFUSALS[404] },
      answer: async ({ parameters }) => resultAnswer(await views.diff(parameters["id"] as string, parameters["other"] as string)),
    }),
  ];
}

function versionAnswer(found: Awaited<ReturnType<AdminViews["version"]>>): Answer {
  return found === null ? problem(404, "There is no such version", { outcome: "notFound" }) : json(200, found);
}

function changeEndpoints(views: AdminViews): Endpoint[] {
  return [
    endpoint({
      method: "POST",
      path: "/v1/reload",
      id: "reload",
      about: "Read the configuration from disk again and serve it.",
      access: "write",
      body: schemas.reloadBody,
      answers: { 200: { about: "It is served.", schema: schemas.changeDone }, 409: REFUSALS[409], 422: REFUSALS[422], 503: REFUSALS[503] },
      answer: async ({ author }) => resultAnswer(await views.reload(author)),
    }),
    endpoint({
      method: "POST",
      path: "/v1/apply",
      id: "apply",
      about: "Serve a configuration that is sent along. Relative paths in it start in the gateway's configuration folder.",
      access: "write",
      body: schemas.applyBody,
      isLarge: true,
      answers: {
        200: { about: "It is served, or would be.", schema: schemas.applyDone },
        409: REFUSALS[409],
        422: REFUSALS[422],
        503: REFUSALS[503],
      },
      answer: async ({ body, author }) => resultAnswer(await views.apply({ ...body, author })),
    }),
    endpoint({
      method: "POST",
      path: "/v1/rollback",
      id: "rollback",
      about: "Serve a version again that was accepted before.",
      access: "write",
      body: schemas.rollbackBody,
      answers: { 200: { about: "It is served.", schema: schemas.changeDone }, ...without501(REFUSALS) },
      answer: async ({ body, author }) => resultAnswer(await views.rollback({ ...body, author })),
    }),
    endpoint({
      method: "POST",
      path: "/v1/upgrade",
      id: "upgrade",
      about: "Start the program anew from disk; the new process takes over and this one drains.",
      access: "write",
      body: schemas.upgradeBody,
      answers: { 202: { about: "It has begun.", schema: schemas.upgradeDone }, 409: REFUSALS[409], 501: REFUSALS[501], 503: REFUSALS[503] },
      answer: async ({ author }) => resultAnswer(await views.upgrade(author)),
    }),
  ];
}

function without501({ 501: _, ...others }: typeof REFUSALS): Readonly<Record<number, AnswerText>> {
  return others;
}

function inquiryEndpoints(views: AdminViews): Endpoint[] {
  return [
    endpoint({
      method: "GET",
      path: "/v1/guard",
      id: "getGuard",
      about: "The state of the last guarded apply.",
      access: "read",
      answers: { 200: { about: "Its state.", schema: schemas.guard } },
      answer: () => json(200, views.guard()),
    }),
    endpoint({
      method: "POST",
      path: "/v1/check",
      id: "check",
      about: "Check a configuration as apply would, and change nothing. It makes the gateway read files, so it takes the role write.",
      access: "write",
      body: schemas.checkBody,
      isLarge: true,
      answers: { 200: { about: "It compiles.", schema: schemas.checkDone }, 422: REFUSALS[422] },
      answer: async ({ body }) => resultAnswer(await views.check(body.texts)),
    }),
    endpoint({
      method: "POST",
      path: "/v1/explain",
      id: "explain",
      about: "What would be done with a request, and why. Nothing is sent anywhere.",
      access: "read",
      body: schemas.explainBody,
      answers: {
        200: { about: "The explanation.", schema: schemas.explainDone },
        422: { about: "There is nothing to explain, for example no such listener.", schema: schemas.apiProblem },
      },
      answer: async ({ body }) => resultAnswer(await views.explain(body)),
    }),
    endpoint({
      method: "POST",
      path: "/v1/explain-tokens",
      id: "createExplainToken",
      about: "A signed value for the x-windrose-explain field: responses to requests that bear it say why they went where.",
      access: "write",
      body: schemas.explainTokenBody,
      answers: { 200: { about: "The token.", schema: schemas.explainToken } },
      answer: ({ body }) => json(200, views.explainToken(body)),
    }),
  ];
}
