/** The processes of the harness besides the gateway: the services and the clients. */
import { Child } from "../child.js";
import type { LoadReport, LoadSetting } from "./load.js";
import type { ServicesReady, ServicesReport } from "./services.js";

export async function startServices(seed: number, cores: string): Promise<{ child: Child<ServicesReport>; ports: ServicesReady["ports"] }> {
  const child = new Child<ServicesReport>(new URL("./services.js", import.meta.url), String(seed), "services", cores);
  const ports = await new Promise<ServicesReady["ports"]>((resolve, reject) => {
    child.process.on("message", (message: ServicesReady) => {
      if (message.type === "ready") resolve(message.ports);
    });
    child.process.once("exit", () => reject(new Error(child.end)));
  });
  return { child, ports };
}

export function startLoad(setting: LoadSetting, cores: string): Child<LoadReport> {
  return new Child<LoadReport>(new URL("./load.js", import.meta.url), JSON.stringify(setting), "load", cores);
}
