/** Whether what became of an exchange is one of the things that its plan allows. */
import { ERRORS, type ErrorCode } from "../../src/engine/model/errors.js";
import type { Outcome } from "./http-exchange.js";
import type { Plan } from "./plans.js";

/** Why the outcome is wrong; "" when it is right. */
export function judge(plan: Plan, outcome: Outcome): string {
  switch (outcome.type) {
    case "answer":
      return outcome.flaw || (outcome.code === "" ? judgeAnswer(plan, outcome) : judgeLocalReply(plan, outcome));
    case "broken":
      return outcome.flaw || (plan.expected.mayBreak ? "" : `the answer (${outcome.status}) broke off: ${outcome.error}`);
    case "closed":
      return mayClose(plan) ? "" : `closed without an answer: ${outcome.error}`;
    case "left":
      return outcome.flaw;
    case "stuck":
      return `stuck: ${outcome.where}`;
  }
}

/** The reset behind a broken answer destroys its beginning where the client is still sending. */
function mayClose({ upload, expected }: Plan): boolean {
  return expected.mayBreak && upload !== null;
}

function judgeAnswer({ id, expected }: Plan, answer: Outcome & { type: "answer" }): string {
  if (answer.id !== id) return `the answer to another request: ${answer.id}`;
  if (!expected.statuses.includes(answer.status)) return `a whole answer with status ${answer.status}`;
  if (answer.bytes !== expected.bytes) return `a whole answer of ${answer.bytes} bytes instead of ${expected.bytes}`;
  return "";
}

function judgeLocalReply({ expected }: Plan, { code, status }: Outcome & { type: "answer" }): string {
  if (!(expected.codes as readonly string[]).includes(code)) return `local reply ${status} ${code}`;
  return ERRORS[code as ErrorCode].status === status ? "" : `${code} with status ${status}`;
}

/** How it is counted. */
export function labelOf(outcome: Outcome): string {
  if (outcome.type !== "answer") return outcome.type;
  return outcome.code === "" ? String(outcome.status) : `${outcome.status} ${outcome.code}`;
}
