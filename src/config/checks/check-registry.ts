/** The registry: tokens whenever others than this machine can reach it, and a registry for services that are found in it. */
import type { DocumentPath } from "../problems.js";
import { isLoopback, parseAddress } from "../schema/addresses.js";
import type { CheckContext, DocumentDraft } from "./check-document.js";
import { checkRedis } from "./check-redis.js";
import { checkToken } from "./check-token.js";

const REDIS: DocumentPath = ["registry", "redis"];
const BIND: DocumentPath = ["registry", "bind"];
const TOKENS: DocumentPath = ["registry", "tokens"];

export function checkRegistry({ registry, services }: DocumentDraft, context: CheckContext): void {
  const { checker } = context;
  (services ?? []).forEach((service, index) => {
    const path: DocumentPath = ["services", index, "endpoints", "registry"];
    if (service === undefined || !checker.isWritten(path) || checker.isWritten(["registry"])) return;
    checker.error(path, "needs the block registry", "write registry: { serve: true }");
  });
  const address = parseAddress(registry?.bind ?? "");
  if (address !== null && !isLoopback(address.host) && !checker.isWritten([...TOKENS, 0])) {
    checker.error(
      BIND,
      `${checker.quote(BIND)} can be reached from outside, so tokens are required`,
      "add registry.tokens, or bind to 127.0.0.1",
    );
  }
  checkStore(registry, context);
  checker.indexNames(TOKENS);
  const places = new Map<string, DocumentPath>();
  registry?.tokens?.forEach((entry, index) => {
    const path = [...TOKENS, index, "token"];
    const token = checkToken(path, entry?.token, context);
    const other = token === null ? undefined : places.get(token);
    if (token !== null && other === undefined) places.set(token, path);
    if (other !== undefined) checker.error(path, "is the token of another entry", `the other is at ${checker.where(other)}`);
  });
}

function checkStore(registry: DocumentDraft["registry"], context: CheckContext): void {
  const { checker } = context;
  const isWritten = checker.isWritten(REDIS);
  if (registry?.store === "redis" && !isWritten) checker.error(["registry", "store"], "needs the block redis", "write redis: { url: … }");
  if (registry?.store === "memory" && isWritten) checker.error(REDIS, "has no effect with store: memory", "write store: redis");
  if (registry?.redis !== undefined) checkRedis(registry.redis, REDIS, context);
}
