/** Entry of a worker process: connects the IPC pipe to the worker and decides what ends the process. */
import { parentChannel } from "./channels.js";
import { startWorker } from "./worker.js";

/** Ctrl-C reaches the whole process group; the primary decides what follows from it. */
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});

startWorker(parentChannel(), (exitCode) => process.exit(exitCode));
