/** The whole document. Defaults live here and in the block schemas, nowhere else. */
import { z } from "zod";
import { type CompleteListener, completeListener, listenerSchema } from "./listener.js";
import { type CompleteProvider, completeProvider, jwtProviderSchema } from "./provider.js";
import { registrySchema } from "./registry.js";
import { routeSchema } from "./route.js";
import { serviceSchema } from "./service.js";
import { supervisionSchema } from "./supervision.js";
import { bindAddress, duration, filePath, name, textOrFile } from "./values.js";

const accessLog = z.strictObject({
  path: filePath().default("stdout").describe("stdout, stderr, off, or a file."),
  sample: z.number().min(0).max(1).default(1).describe("Share of exchanges that are logged; gateway failures always are."),
});

const adminToken = z.strictObject({
  name: name().describe("Who holds it; appears in the audit log."),
  token: textOrFile(z.string().min(1)).describe("Bearer token. Secret."),
  role: z.enum(["read", "write"]).default("read").describe("read sees; write also changes what is served, and sees texts of versions."),
});

const admin = z.strictObject({
  bind: bindAddress().default("127.0.0.1:9901"),
  token: textOrFile(z.string().min(1))
    .optional()
    .describe('Bearer token for the admin API, of role write and named "admin"; one is required when bind is not loopback. Secret.'),
  tokens: z.array(adminToken).max(100).default([]).describe("Further tokens, one for each person or program."),
  socket: filePath()
    .optional()
    .describe("A Unix socket for the admin API, for the user that the gateway runs as: no token is asked for, and everything is allowed."),
});

export const documentSchema = z.strictObject({
  listeners: z.array(listenerSchema).min(1).describe("Where traffic comes in."),
  routes: z.array(routeSchema).default([]).describe("What happens to a request."),
  services: z.array(serviceSchema).default([]).describe("Where traffic goes."),
  providers: z
    .strictObject({ jwt: z.array(jwtProviderSchema).default([]) })
    .prefault({})
    .describe("Who issues tokens."),
  limits: z
    .strictObject({
      store: z.literal("memory").default("memory"),
      maxKeys: z.int().min(1).max(100_000_000).default(100_000).describe("Live keys per limit before new ones share buckets."),
    })
    .prefault({})
    .describe("Where rate limits are counted."),
  zone: z
    .string()
    .default("")
    .describe(
      "Where this gateway runs, in the words of the endpoints' zone; often from the environment: ${ZONE}. Empty: zones do not matter.",
    ),
  registry: registrySchema.optional().describe("The built-in registry, with which services register themselves."),
  telemetry: z.strictObject({ accessLog: accessLog.prefault({}) }).prefault({}),
  admin: admin.prefault({}).describe("Admin API, metrics and health."),
  workers: z
    .union([z.literal("auto"), z.int().min(1).max(1024)])
    .default("auto")
    .describe("Worker processes; auto: one per available core."),
  drain: z
    .strictObject({ timeout: duration().default("30s").describe("How long exchanges may take to finish after SIGTERM.") })
    .prefault({}),
  supervision: supervisionSchema.prefault({}).describe("What happens to workers that hang, grow or crash."),
});

export type WrittenDocument = z.output<typeof documentSchema>;

/** With every default filled in, the ones that depend on other blocks included. */
export type CompleteDocument = Omit<WrittenDocument, "listeners" | "routes" | "providers"> & {
  listeners: CompleteListener[];
  routes: (WrittenDocument["routes"][number] & { listeners: string[] })[];
  providers: { jwt: CompleteProvider[] };
};

export function completeDocument(document: WrittenDocument): CompleteDocument {
  const ingress = document.listeners.filter((listener) => listener.direction === "ingress").map((listener) => listener.name);
  return {
    ...document,
    listeners: document.listeners.map(completeListener),
    routes: document.routes.map((route) => ({ ...route, listeners: route.listeners ?? ingress })),
    providers: { jwt: document.providers.jwt.map(completeProvider) },
  };
}
