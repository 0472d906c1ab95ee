/**
 * Ports at which nothing may listen for a while. One of the kernel's ephemeral range would not do: a connect to it may be
 * given that very port as its own and then succeeds by meeting itself.
 */
import { createServer } from "node:net";

const FIRST = 20_000;
const LAST = 32_000;

export async function portOutsideEphemeralRange(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
