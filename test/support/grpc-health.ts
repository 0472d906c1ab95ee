/** grpc.health.v1 on @grpc/grpc-js, with messages encoded by a real protobuf library: an independent other end for health checks. */
import * as grpc from "@grpc/grpc-js";
import { fromJSON } from "@grpc/proto-loader";

export interface HealthService {
  readonly port: number;
  /** Names that were asked for. */
  readonly asked: readonly string[];
  /** @param status 1: SERVING, 2: NOT_SERVING */
  set(service: string, status: number): void;
  close(): void;
}

const DEFINITION = fromJSON(
  {
    nested: {
      grpc: {
        nested: {
          health: {
            nested: {
              v1: {
                nested: {
                  HealthCheckRequest: { fields: { service: { type: "string", id: 1 } } },
                  HealthCheckResponse: {
                    fields: { status: { type: "ServingStatus", id: 1 } },
                    nested: { ServingStatus: { values: { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } } },
                  },
                  Health: { methods: { Check: { requestType: "HealthCheckRequest", responseType: "HealthCheckResponse", comment: "" } } },
                },
              },
            },
          },
        },
      },
    },
  },
  { defaults: true },
);

/** @param port default: any */
export async function startGrpcHealth(port = 0): Promise<HealthService> {
  const states = new Map<string, number>([["", 1]]);
  const asked: string[] = [];
  const server = new grpc.Server();
  server.addService(DEFINITION["grpc.health.v1.Health"] as grpc.ServiceDefinition, {
    Check: ({ request }: grpc.ServerUnaryCall<{ service: string }, unknown>, done: grpc.sendUnaryData<{ status: number }>) => {
      asked.push(request.service);
      const status = states.get(request.service);
      if (status === undefined) done({ code: grpc.status.NOT_FOUND, details: "unknown service" });
      else done(null, { status });
    },
  });
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error, found) =>
      error === null ? resolve(found) : reject(error),
    );
  });
  return { port: bound, asked, set: (service, status) => void states.set(service, status), close: () => server.forceShutdown() };
}
