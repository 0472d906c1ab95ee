/** `supervision`: what happens to workers that are not well. */
import { z } from "zod";
import { DURATION_PATTERN, parseDuration } from "../../engine/model/units.js";
import { isDurationOk, size, text } from "./values.js";

/** A garbage collection or a large reload must not look like a hang. */
const MIN_STALL_MS = 1_000;

const stallTimeout = () =>
  text((value) => {
    const stallMs = parseDuration(value);
    return stallMs === null || stallMs >= MIN_STALL_MS ? isDurationOk(value) : { message: "must be at least 1s" };
  }).meta({ pattern: DURATION_PATTERN.source });

export const supervisionSchema = z.strictObject({
  stallTimeout: stallTimeout()
    .default("10s")
    .describe(
      "A worker whose event loop has not turned for this long is killed and replaced; the primary after three times as long. At least 1s.",
    ),
  maxWorkerMemory: size()
    .default(0)
    .describe(
      "Resident memory above which a worker is replaced: a new one serves first, then it drains; 0: unlimited. " +
        "Danger: too low, workers come and go (ever more seldom, at most every 10 minutes).",
    ),
  maxCrashes: z
    .int()
    .min(0)
    .max(1_000)
    .default(5)
    .describe("So many crashes of workers within crashWindow make /readyz fail, until they have become fewer; 0: never."),
  crashWindow: text((value) => (parseDuration(value) === 0 ? { message: "must not be 0" } : isDurationOk(value)))
    .meta({ pattern: DURATION_PATTERN.source })
    .default("60s")
    .describe("See maxCrashes."),
});
