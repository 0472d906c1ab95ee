/** Builds a route's filter chain: the one place that knows every filter type. */
import type { FilterSpec, JwtProviderSpec } from "../engine/model/snapshot.js";
import type { Filter } from "../proxy/ports.js";
import { createGrpcWebFilter } from "./grpc-web/filter.js";
import { createJwtFilter } from "./jwt/filter.js";
import type { JwtConfig } from "./jwt/schema.js";
import type { TokenVerifiers } from "./jwt/token-verifiers.js";
import { createRateLimitFilter, type LimitPort, type RateLimitServices } from "./rate-limit/filter.js";
import type { RateLimitConfig } from "./rate-limit/schema.js";
import { createRedirectFilter } from "./redirect/filter.js";
import type { RedirectConfig } from "./redirect/schema.js";
import { createRequestHeadersFilter } from "./request-headers/filter.js";
import type { RequestHeadersConfig } from "./request-headers/schema.js";
import { createRespondFilter } from "./respond/filter.js";
import type { RespondConfig } from "./respond/schema.js";
import { createResponseHeadersFilter } from "./response-headers/filter.js";
import type { ResponseHeadersConfig } from "./response-headers/schema.js";

/** What filters need of the worker; lives as long as it and survives reloads. */
export interface FilterPorts {
  /** From `createTokenVerifiers`. */
  readonly tokens: TokenVerifiers;
  /** From `createLeaseClient`. */
  readonly limits: LimitPort;
  /** A rate limit with `dryRun` would have refused a request of this route; to be counted. */
  readonly onDryRunLimited: (routeName: string) => void;
}

/** The ports, and the route that the chain is for. */
export interface FilterServices extends FilterPorts {
  readonly routeName: string;
  readonly jwtProviders: readonly JwtProviderSpec[];
}

/** `specs` come from a compiled snapshot: types are known and `config` is the output of the type's schema. */
export function createFilters(specs: readonly FilterSpec[], services: FilterServices): Filter[] {
  return specs.map((spec, index) => createFilter(spec, index, services));
}

function createFilter(spec: FilterSpec, index: number, services: FilterServices): Filter {
  switch (spec.type) {
    case "jwt":
      return createJwtFilter(spec.config as JwtConfig, services);
    case "rateLimit":
      return createRateLimitFilter(spec.config as RateLimitConfig, rateLimitServices(index, services));
    case "grpcWeb":
      return createGrpcWebFilter();
    case "requestHeaders":
      return createRequestHeadersFilter(spec.config as RequestHeadersConfig);
    case "responseHeaders":
      return createResponseHeadersFilter(spec.config as ResponseHeadersConfig);
    case "redirect":
      return createRedirectFilter(spec.config as RedirectConfig);
    case "respond":
      return createRespondFilter(spec.config as RespondConfig);
    default:
      throw new Error(`unknown filter type ${spec.type}`);
  }
}

/** A limit without a name counts for its place in its route's chain alone. */
function rateLimitServices(index: number, services: FilterServices): RateLimitServices {
  const { limits, routeName, onDryRunLimited } = services;
  return { limits, ownId: `${routeName}#${index}`, ownName: "default", onDryRunLimited: () => onDryRunLimited(routeName) };
}
