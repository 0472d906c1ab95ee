/** The kinds of exchanges, with their shares. Routes are those of gateway.ts; what a service does is in answers.ts and faults.ts. */
import type { ErrorCode } from "../../src/engine/model/errors.js";
import { FAULTS, type Fault, STALLS } from "./faults.js";
import type { Framing } from "./order.js";
import { anySize, anyUpload, type Conduct, type Draft, faulty, type Kind, sizeBetween } from "./plans.js";
import type { Random } from "./random.js";

const KIB = 1024;
const MIB = 1024 * KIB;
const FRAMINGS: readonly Framing[] = ["length", "length", "length", "chunked", "chunked", "close"];
const LOST: readonly ErrorCode[] = ["upstream-reset", "upstream-closed", "upstream-stale"];
/** Announced bodies above this get 413. */
export const MAX_UPLOAD_BYTES = 4 * MIB;
/** Bodies up to this can be sent again. */
const REPLAY_BYTES = 64 * KIB;

/** Good services and patient clients: whatever fails here is a wrong answer. */
export const GOOD_KINDS: readonly Kind[] = [
  good("get", 40, (random) => ({ route: steadyOrFaulty(random), order: body(random) })),
  good("head", 3, (random) => ({ route: "steady", method: "HEAD", order: { bytes: anySize(random) } })),
  good("get after a while", 3, (random) => ({ route: "steady", order: { ...body(random), waitMs: random.below(400) } })),
  good("get a trickle", 1, (random) => ({ route: "steady", order: trickle(random, sizeBetween(random, 100, MIB)) })),
  good("get after interim answers", 2, (random) => ({ route: "steady", order: { ...body(random), interim: random.between(1, 6) } })),
  good("get with trailers", 2, (random) => ({ route: "steady", order: { bytes: anySize(random), framing: "chunked", hasTrailers: true } })),
  good("get slowly", 1, (random) => ({
    route: "steady",
    conduct: "reads slowly",
    order: { ...body(random), bytes: sizeBetween(random, 64 * KIB, MIB) },
  })),
  good("get much slowly", 0.15, (random) => ({ route: "steady", conduct: "reads slowly", order: { ...body(random), bytes: 8 * MIB } })),
  good("other statuses", 3, (random) => ({
    route: steadyOrFaulty(random),
    order: { bytes: random.below(2000), status: random.pick([201, 204, 304, 403, 404, 429, 500, 503]) },
  })),
  good("post", 10, (random) => upload(random, "POST", anySize(random), { bytes: anySize(random) })),
  good("put", 6, (random) => upload(random, "PUT", anySize(random), { bytes: random.below(2000) })),
  good("echo", 8, (random) => upload(random, "POST", anySize(random), { echo: "whole", framing: random.pick(FRAMINGS) })),
  good("echo while it comes", 5, (random) => upload(random, "PUT", anySize(random), { echo: "stream", framing: random.pick(FRAMINGS) })),
  good("upload to a slow reader", 0.3, (random) => upload(random, "PUT", 3 * MIB, { sipMs: 5, echo: random.pick(["", "stream"]) })),
  good("upload slowly", 0.5, (random) => ({
    ...upload(random, "POST", sizeBetween(random, 10, MIB), { echo: "whole" }),
    upload: { ...anyUpload(random, sizeBetween(random, 10, MIB)), pace: "slow" },
  })),
];

/** Clients that leave without a word. Nothing is expected of these exchanges, but that nothing of them stays. */
export const LEAVING_KINDS: readonly Kind[] = [
  leaving("leave before the head", "leaves before the head", (random) => ({
    route: steadyOrFaulty(random),
    order: { ...body(random), waitMs: random.below(300) },
  })),
  leaving("leave in the body", "leaves in the body", (random) => ({
    route: steadyOrFaulty(random),
    order: trickle(random, sizeBetween(random, 100, MIB)),
  })),
  leaving("leave in a large body", "leaves in the body", (random) => ({ route: "steady", order: { ...body(random), bytes: 4 * MIB } })),
  leaving("leave in the upload", "leaves in the upload", (random) =>
    upload(random, random.pick(["POST", "PUT"]), sizeBetween(random, 1000, 2 * MIB), {
      echo: random.pick(["", "whole", "stream"]),
      sipMs: random.pick([0, 2]),
    }),
  ),
];

/** Requests that the gateway refuses itself. */
export const REFUSED_KINDS: readonly Kind[] = [
  refused("no route", 1, "route-not-found", () => ({ route: "nowhere" })),
  refused("no token", 1, "unauthorized", () => ({ route: "limited" })),
  refused("forged token", 1, "unauthorized", () => ({ route: "limited", headers: { authorization: "forged" } })),
  refused("expired token", 1, "unauthorized", () => ({ route: "limited", headers: { authorization: "expired" } })),
  // 200, or 429 when the subject has had its share.
  {
    name: "token",
    weight: 12,
    isFault: false,
    draft: (random) => ({
      route: "limited",
      headers: { authorization: String(random.below(5)) },
      order: { bytes: random.below(2000) },
      expected: { codes: ["rate-limited"] },
    }),
  },
  refused("too large by its length", 1, "body-too-large", (random) => ({
    ...upload(random, "POST", MAX_UPLOAD_BYTES + 1, {}),
    upload: { bytes: MAX_UPLOAD_BYTES + 1, framing: "length", pace: "stalls", expectsContinue: false },
  })),
  refused("too large by its chunks", 0.3, "body-too-large", (random) => ({
    ...upload(random, "POST", 1, {}),
    upload: { bytes: 5 * MIB, framing: "chunked", pace: "fast", expectsContinue: false },
  })),
  refused("upload that stops", 0.05, "request-timeout", (random) => ({
    ...upload(random, "POST", 1, {}),
    upload: { bytes: 64 * KIB, framing: random.pick(["length", "chunked"]), pace: "stalls", expectsContinue: false },
  })),
];

/** Services that misbehave. */
export const FAULTY_KINDS: readonly Kind[] = [
  ...FAULTS.map((fault) => faultKind(fault, 1, "faulty")),
  ...STALLS.map((fault) => faultKind(fault, 0.2, "slow")),
  fault("does not read the upload", 0.2, (random) => ({
    ...upload(random, "POST", 3 * MIB, faulty("says nothing", 100)),
    route: "slow",
    expected: { statuses: [], codes: ["upstream-timeout", "request-timeout"] },
  })),
  fault("answers before the upload", 1, (random) => ({
    ...upload(random, "POST", sizeBetween(random, 1, 2 * MIB), { isEarly: true, status: 403, bytes: random.below(2000) }),
  })),
  fault("is read too slowly", 0.2, (random) => ({
    route: "slow",
    conduct: "reads slowly",
    order: { ...body(random), bytes: 8 * MIB },
    expected: { mayBreak: true },
  })),
  fault("no one listens", 1, () => ({ route: "down", expected: { statuses: [], codes: ["connect-failed"] } })),
  fault("some do not listen", 6, (random) => ({ ...anyRequest(random), route: "refusing", expected: { codes: LOST, mayBreak: true } })),
  fault("rude", 2, (random) => ({
    ...anyRequest(random),
    route: "rude",
    expected: { statuses: [], codes: [...LOST, "upstream-protocol", "connect-failed"] },
  })),
  // It may come while the answer before is still on its way, and then breaks that one.
  fault("garbage between answers", 4, (random) => ({
    ...anyRequest(random),
    route: "chatty",
    expected: { codes: [...LOST, "upstream-protocol"], mayBreak: true },
  })),
  // What may be sent again must succeed.
  fault("breaks between answers, get", 4, (random) => ({
    route: "stale",
    order: { bytes: random.below(8 * KIB), framing: random.pick(["length", "chunked"]) },
  })),
  fault("breaks between answers, put", 2, (random) => ({
    ...upload(random, "PUT", random.below(REPLAY_BYTES), { echo: "whole" }),
    route: "stale",
  })),
  fault("breaks between answers, post", 2, (random) => ({
    ...upload(random, "POST", random.below(REPLAY_BYTES), { echo: "whole" }),
    route: "stale",
    expected: { codes: LOST },
  })),
  fault("fails at first, get", 4, (random) => ({ route: "flaky", order: failing(random, anySize(random)) })),
  fault("fails at first, put", 2, (random) => ({
    ...upload(random, "PUT", random.below(REPLAY_BYTES), failing(random, random.below(2000))),
    route: "flaky",
  })),
  fault("fails at first, post", 2, (random) => failingPost(random)),
  fault("fails always, get", 2, (random) => failingAlways(random)),
];

// ── Drafts ───────────────────────────────────────────────────────────────────────────────────────────────────────

function good(name: string, weight: number, draft: Kind["draft"]): Kind {
  return { name, weight, isFault: false, draft };
}

function fault(name: string, weight: number, draft: Kind["draft"]): Kind {
  return { name, weight, isFault: true, draft };
}

function leaving(name: string, conduct: Conduct, draft: Kind["draft"]): Kind {
  return { name, weight: 1, isFault: true, draft: (random) => ({ ...draft(random), conduct }) };
}

function refused(name: string, weight: number, code: ErrorCode, draft: Kind["draft"]): Kind {
  return { name, weight, isFault: false, draft: (random) => ({ ...draft(random), expected: { statuses: [], codes: [code] } }) };
}

function faultKind({ name, codes, mayBreak, maxBytes, wholeBytes }: Fault, weight: number, route: string): Kind {
  return fault(name, weight, (random) => {
    const bytes = sizeBetween(random, 64, maxBytes);
    const whole = wholeBytes === null ? { statuses: [], bytes: 0 } : { statuses: [200], bytes: wholeBytes(bytes) };
    const request = random.chance(0.7) ? {} : upload(random, random.pick(["POST", "PUT"]), random.below(REPLAY_BYTES), {});
    return { ...request, route, order: faulty(name, bytes), expected: { ...whole, codes, mayBreak } };
  });
}

/** Faults break their own connection only: a good request to a service that fails others must succeed. */
function steadyOrFaulty(random: Random): string {
  return random.chance(0.8) ? "steady" : "faulty";
}

function body(random: Random): { bytes: number; framing: Framing } {
  return { bytes: anySize(random), framing: random.pick(FRAMINGS) };
}

function trickle(random: Random, bytes: number): Draft["order"] & object {
  return { bytes, framing: random.pick(FRAMINGS), pieces: random.between(2, 20), pauseMs: random.below(100) };
}

function upload(random: Random, method: string, bytes: number, order: Draft["order"] & object): Draft {
  return { route: "steady", method, upload: anyUpload(random, bytes), order };
}

function anyRequest(random: Random): Draft {
  return random.chance(0.6)
    ? { route: "", order: body(random) }
    : upload(random, random.pick(["POST", "PUT"]), anySize(random), { echo: "whole" });
}

/** Endpoints break these at one or both of the first attempts; the route makes three. */
function failing(random: Random, bytes: number): Draft["order"] & object {
  return { bytes, fault: firstFault(random), failures: random.below(3) };
}

function firstFault(random: Random): string {
  if (random.chance(0.02)) return "says nothing";
  return random.pick(["answers 503", "answers 500", "closes before the head", "resets before the head", "closes in the head"]);
}

function failingPost(random: Random): Draft {
  const name = firstFault(random);
  const draft = upload(random, "POST", random.below(REPLAY_BYTES), faulty(name, random.below(2000), 1));
  return { ...draft, route: "flaky", expected: failureOf(name) };
}

function failingAlways(random: Random): Draft {
  const name = firstFault(random);
  return { route: "flaky", order: faulty(name, random.below(2000)), expected: failureOf(name) };
}

function failureOf(name: string): Draft["expected"] & object {
  const status = /^answers (\d{3})$/.exec(name)?.[1];
  return status === undefined ? { statuses: [], codes: [...LOST, "upstream-timeout"] } : { statuses: [Number(status)] };
}
