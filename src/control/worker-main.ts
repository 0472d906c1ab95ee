/** Entry of a worker process: connects the IPC pipe to the worker and decides what ends the process. */
import { parentChannel } from "./channels.js";
import { WORKER_STDOUT_FD } from "./supervisor.js";
import { startWorker } from "./worker.js";

const worker = startWorker(parentChannel(), { stdoutFd: WORKER_STDOUT_FD, ended: (exitCode) => process.exit(exitCode) });

/** Ctrl-C reaches the whole process group; the primary decides what follows from it. */
process.on("SIGINT", () => worker.stopAsked());
process.on("SIGTERM", () => worker.stopAsked());
/** Meant for the keeper and the primary, when they reach the whole group. */
process.on("SIGHUP", () => {});
process.on("SIGUSR2", () => {});
