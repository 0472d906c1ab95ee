/** What the commands that ask a gateway have in common: the client, refusals in one form, answers with the fields that are needed. */
import { formatProblem } from "../config/index.js";
import type { ConfigProblem } from "../engine/model/configuration.js";
import { type AdminAnswer, type AdminClient, type AdminFlags, type AdminRefusal, createAdminClient } from "./admin-client.js";
import { fail } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { writeJson } from "./terminal.js";

/** One of the exit codes with everything said, or what is wanted. */
export type Got<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly code: number };

export interface Asking {
  /** The command's name. */
  readonly command: string;
  readonly isJson: boolean;
}

type FieldType = "string" | "number" | "object" | "array";

/** Fields that the command is going to read. */
export type Fields = Readonly<Record<string, FieldType>>;

export function chooseClient(command: string, flags: AdminFlags): Got<AdminClient> {
  const chosen = createAdminClient(flags);
  return chosen.ok ? chosen : { ok: false, code: fail(command, chosen.message, chosen.code) };
}

/** `T` is what the API promises for the endpoint; a gateway of another age may answer something else. */
export function readAnswer<T>(answer: AdminAnswer, fields: Fields, { command, isJson }: Asking): Got<T> {
  if (!answer.ok) return { ok: false, code: reportRefusal(answer, { command, isJson }) };
  if (hasFields(answer.body, fields)) return { ok: true, value: answer.body as T };
  return { ok: false, code: fail(command, "the gateway answers in a form that this version does not understand", EXIT.unavailable) };
}

/** Problems of a configuration are listed one by one, as `windrose check` does. */
export function reportRefusal(refusal: AdminRefusal, { command, isJson }: Asking): number {
  if (isJson && refusal.problem !== null) writeJson(refusal.problem);
  const problems = refusal.problem?.["problems"];
  if (!isJson && Array.isArray(problems)) printProblems(problems as ConfigProblem[]);
  return fail(command, refusal.message, refusal.code);
}

export function printProblems(problems: readonly ConfigProblem[]): void {
  for (const problem of problems) process.stderr.write(`${formatProblem(problem)}\n`);
}

function hasFields(body: unknown, fields: Fields): boolean {
  if (typeof body !== "object" || body === null) return false;
  return Object.entries(fields).every(([name, type]) => {
    const value = (body as Readonly<Record<string, unknown>>)[name];
    return type === "array" ? Array.isArray(value) : typeof value === type && value !== null;
  });
}
