/** Entry of a worker process: connects the IPC pipe to the worker and decides what ends the process. */
import { parentChannel } from "./channels.js";
import { WORKER_STDOUT_FD } from "./supervisor.js";
import { startWorker } from "./worker.js";

/** Ctrl-C reaches the whole process group; the primary decides what follows from it. */
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});

startWorker(parentChannel(), { stdoutFd: WORKER_STDOUT_FD, ended: (exitCode) => process.exit(exitCode) });
