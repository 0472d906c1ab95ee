/** A process of its own with one healthy client; reports once, at the end. */
import { type ProbeOptions, type ProbeResult, runProbe } from "./probe.js";

export interface ProbeReport extends ProbeResult {
  readonly type: "probe";
}

const options = JSON.parse(process.argv[2] ?? "{}") as ProbeOptions;
// Stays until its parent has heard it, and then ends it.
process.channel?.ref();
process.once("disconnect", () => process.exit(0));
process.send?.({ type: "probe", ...(await runProbe(options)) } satisfies ProbeReport);
