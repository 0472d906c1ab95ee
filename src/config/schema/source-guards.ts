/** What keeps a source from emptying its service. */
import { z } from "zod";

export const minimumEndpoints = () =>
  z
    .int()
    .min(0)
    .max(10_000)
    .default(1)
    .describe(
      "Fewer endpoints than this (that take traffic) do not replace more: the last ones stay in use, and the source counts as failing. 0: the " +
        "source may empty the service.",
    );
