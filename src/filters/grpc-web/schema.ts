/** Settings of the `grpcWeb` filter: there are none, it is asked for or not. */
import { z } from "zod";
import type { FilterFacts } from "../../engine/model/filter-facts.js";

export const schema = z
  .strictObject({})
  .describe(
    "Lets browsers call gRPC services: requests of type application/grpc-web and application/grpc-web-text become gRPC, and trailers " +
      "return as the last frame of the body (gRPC-Web protocol). Other requests pass untouched. The service must speak h2 or h2c.",
  );

export type GrpcWebConfig = z.output<typeof schema>;

export function facts(_config: GrpcWebConfig): FilterFacts {
  return { jwtProvider: "", readsPrincipal: false, alwaysReplies: false };
}
