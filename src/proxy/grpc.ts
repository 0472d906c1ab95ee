/** What makes a request one of gRPC, and what its answer says of the service. */
import { DEADLINE_EXCEEDED, httpStatusOfGrpc } from "../engine/model/grpc-status.js";
import { headerValue } from "../engine/model/request.js";

/** `application/grpc`, `+proto` and the like; not gRPC-Web, which is another protocol. */
const GRPC_CONTENT = /^application\/grpc(?:[+; ]|$)/i;

export function isGrpc(headers: readonly string[]): boolean {
  const contentType = headerValue(headers, "content-type");
  return contentType !== undefined && GRPC_CONTENT.test(contentType);
}

/**
 * The HTTP status that says the same; null: it says nothing. Callers choose their deadlines, and one that is too short is no failure
 * of the service.
 * @param asked fields of the request @param fields of the head or the trailers, where the status is
 */
export function statusBehind(asked: readonly string[], fields: readonly string[]): number | null {
  const grpcStatus = headerValue(fields, "grpc-status");
  if (grpcStatus === DEADLINE_EXCEEDED && headerValue(asked, "grpc-timeout") !== undefined) return null;
  return httpStatusOfGrpc(grpcStatus);
}
