/**
 * A response that never ends, whose cork is borrowed for upgrades. After an upgrade inside a response's own cork the addon
 * goes on reading what was the response's memory; when that says "Connection: close", it closes the new WebSocket (first seen
 * on a process's first upgrade). Without any cork it would complain on standard error each time. Corked is one socket of the
 * loop at a time: inside the donor's cork the upgraded socket is not, and nobody complains.
 */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import type { Uws, UwsApp, UwsResponse } from "./addon.js";

const LOOPBACK = "127.0.0.1";

export class CorkDonor {
  readonly #app: UwsApp;
  readonly #uws: Uws;
  /** Only who knows it can become the donor: the port is open to the whole machine for a moment. */
  readonly #path = `/${randomBytes(16).toString("hex")}`;
  #client: Socket | null = null;
  #response: UwsResponse | null = null;
  #isClosed = false;

  constructor(uws: Uws) {
    this.#uws = uws;
    this.#app = uws.App();
  }

  /** Opens a port of the loopback interface, connects to it, and closes it again. Without a donor upgrades still work. */
  start(): Promise<void> {
    return new Promise((resolve) => {
      this.#app.any("/*", (res, req) => {
        res.onAborted(() => this.#lost(res));
        if (req.getUrl() !== this.#path || this.#response !== null) return void res.close();
        this.#response = res;
        resolve();
      });
      this.#app.listen(LOOPBACK, 0, (socket) => {
        if (socket === false) return resolve();
        const client = connect(this.#uws.us_socket_local_port(socket), LOOPBACK, () => {
          client.write(`GET ${this.#path} HTTP/1.1\r\nHost: ${LOOPBACK}\r\n\r\n`);
          this.#uws.us_listen_socket_close(socket);
        });
        client.on("error", () => resolve());
        client.unref();
        this.#client = client;
      });
    });
  }

  /** Runs `upgrade` while no cork of its own socket is in force. */
  run(upgrade: () => void): void {
    if (this.#response === null) upgrade();
    else this.#response.cork(upgrade);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#response = null;
    this.#client?.destroy();
    this.#app.close();
  }

  #lost(res: UwsResponse): void {
    if (this.#response === res) this.#response = null;
  }
}
