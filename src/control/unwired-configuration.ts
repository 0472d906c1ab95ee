/** Answers of a gateway whose configuration cannot be changed while it runs: it says so. */
import type { ConfigurationViews } from "../admin/views.js";
import type { ConfigVersion } from "../engine/model/configuration.js";

const MESSAGE = "this gateway does not change its configuration while it runs";

export function unwiredConfiguration(first: ConfigVersion): ConfigurationViews {
  const failed = async () => ({ result: "failed", message: MESSAGE }) as const;
  const notFound = async () => ({ result: "notFound", message: MESSAGE }) as const;
  const { acceptedAt: since, ...status } = first;
  return {
    configStatus: async () => ({ ...status, since, disk: { state: "same" }, lastReload: null }),
    reload: failed,
    apply: failed,
    rollback: notFound,
    versions: async () => [first],
    version: async () => null,
    diff: notFound,
    explain: async () => ({ result: "invalid", message: MESSAGE }),
    explainToken: () => {
      throw new Error(MESSAGE);
    },
    guard: () => ({ state: "idle" }),
    upgrade: async () => ({ result: "unsupported", message: MESSAGE }),
    check: async () => ({ result: "rejected", problems: [] }),
  };
}
