/**
 * gRPC status codes (grpc.github.io, "Status codes and their use in gRPC") of the errors a gateway has, by HTTP status:
 * the mapping that gRPC itself prescribes for proxies without gRPC, sharpened where the gateway knows more.
 */
const UNKNOWN = 2;

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
