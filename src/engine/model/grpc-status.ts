/**
 * gRPC status codes (grpc.github.io, "Status codes and their use in gRPC"). Of the errors a gateway has, by HTTP status: the mapping
 * that gRPC itself prescribes for proxies without gRPC, sharpened where the gateway knows more. And of a service's answers: which of
 * them say that it failed.
 */
const UNKNOWN = 2;
export const DEADLINE_EXCEEDED = "4";

/** All others are what a service may well say to its callers, however often: they asked for nothing that it could do. */
const FAILURES: ReadonlyMap<string, number> = new Map([
  ["2", 500], // UNKNOWN: what an exception becomes
  [DEADLINE_EXCEEDED, 504],
  ["13", 500], // INTERNAL
  ["14", 503], // UNAVAILABLE
  ["15", 500], // DATA_LOSS
]);
const [OK, NO_STATUS] = [200, 500];

/** The HTTP status that says of a service what its `grpc-status` says. Without one the answer is no whole one. */
export function httpStatusOfGrpc(grpcStatus: string | undefined): number {
  return grpcStatus === undefined ? NO_STATUS : (FAILURES.get(grpcStatus) ?? OK);
}

const BY_HTTP_STATUS: ReadonlyMap<number, number> = new Map([
  [400, 13], // INTERNAL
  [401, 16], // UNAUTHENTICATED
  [403, 7], // PERMISSION_DENIED
  [404, 12], // UNIMPLEMENTED
  [408, 4], // DEADLINE_EXCEEDED
  [413, 8], // RESOURCE_EXHAUSTED
  [429, 14], // UNAVAILABLE: clients may try again later
  [431, 8], // RESOURCE_EXHAUSTED
  [499, 1], // CANCELLED
  [500, 13], // INTERNAL
  [501, 12], // UNIMPLEMENTED
  [502, 14], // UNAVAILABLE
  [503, 14], // UNAVAILABLE
  [504, 4], // DEADLINE_EXCEEDED
]);

export function grpcStatusOf(httpStatus: number): number {
  return BY_HTTP_STATUS.get(httpStatus) ?? UNKNOWN;
}
