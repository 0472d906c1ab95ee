/** `registry`: where services register themselves. */
import { z } from "zod";
import { redisSchema } from "./redis.js";
import { bindAddress, duration, name, textOrFile } from "./values.js";

const token = z.strictObject({
  name: name().describe("Who holds it."),
  token: textOrFile(z.string().min(1)).describe("Bearer token. Secret."),
  services: z
    .array(z.union([z.literal("*"), name()]))
    .min(1)
    .describe("What it may register, change and see; * is everything."),
});

export const registrySchema = z.strictObject({
  serve: z.literal(true).describe("Take registrations; docs/registry.md says how."),
  store: z
    .enum(["memory", "redis"])
    .default("memory")
    .describe(
      "memory: of this gateway alone; instances register again by themselves after a restart, until then the last ones are used. redis: gateways share them.",
    ),
  redis: redisSchema.optional().describe("Where store: redis keeps them."),
  bind: bindAddress()
    .default("127.0.0.1:9902")
    .describe("Danger: whoever may register here receives traffic. Addresses that others can reach need tokens."),
  tokens: z.array(token).max(1_000).default([]).describe("Without any, everybody on this machine may register."),
  grace: duration().default("1m").describe("An instance whose lease is over takes no traffic; after this time it counts as removed."),
  drain: duration().default("30s").describe("How long an instance that leaves stays listed without new requests."),
  retention: duration().default("1h").describe("How long removed instances can be seen and restored."),
});
