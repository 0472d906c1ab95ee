/**
 * One operation of the API: what the router, the access check, the body reader, the audit log and the OpenAPI document have to
 * know of it, beside the function that answers. Bodies and queries reach that function checked and typed.
 */
import type { z } from "zod";
import type { Access } from "./access.js";
import type { Answer } from "./answers.js";

export interface Call<Body, Query> {
  readonly body: Body;
  readonly query: Query;
  /** Of the path. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Name of whoever asks. */
  readonly author: string;
}

export interface AnswerText {
  readonly about: string;
  /** Default: JSON. */
  readonly contentType?: string;
  readonly schema: z.ZodType | null;
}

export interface Endpoint {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Parameters in braces. */
  readonly path: string;
  /** Unique; `operationId` in the OpenAPI document and `operation` in the audit log. */
  readonly id: string;
  readonly about: string;
  readonly access: Access;
  /** Null: no body is read. */
  readonly body: z.ZodType | null;
  /** The body may hold a whole configuration. */
  readonly isLarge: boolean;
  /** Null: whatever the query says is ignored. */
  readonly query: z.ZodObject | null;
  readonly answers: Readonly<Record<number, AnswerText>>;
  answer(call: Call<never, never>): Answer | Promise<Answer>;
}

interface EndpointInput<Body extends z.ZodType | null, Query extends z.ZodObject | null>
  extends Omit<Endpoint, "body" | "query" | "isLarge" | "answer"> {
  readonly body?: Body;
  readonly query?: Query;
  readonly isLarge?: boolean;
  answer(
    call: Call<Body extends z.ZodType ? z.output<Body> : undefined, Query extends z.ZodObject ? z.output<Query> : undefined>,
  ): Answer | Promise<Answer>;
}

export function endpoint<Body extends z.ZodType | null = null, Query extends z.ZodObject | null = null>(
  input: EndpointInput<Body, Query>,
): Endpoint {
  return { isLarge: false, ...input, body: input.body ?? null, query: input.query ?? null };
}
