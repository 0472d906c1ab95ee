/** Servers that know endpoints and are asked over HTTP(S): what every such source has in common. */
import { z } from "zod";
import { filePath, hostname, httpUrl, textOrFile } from "./values.js";

/** @param example where such a server usually is */
export const serverUrls = (example: string) =>
  z.array(httpUrl()).min(1).max(16).describe(`Of its servers, as ${example}; the next one is asked when one fails.`);

export const serverTls = z.strictObject({
  serverName: hostname().optional().describe("Name that is sent as SNI and verified. Default: the host of the URL."),
  ca: textOrFile(filePath()).optional().describe("PEM file of the trusted roots. Default: the system's."),
  certificate: z
    .strictObject({
      cert: filePath().describe("PEM file with the certificate and its chain, leaf first."),
      key: filePath().describe("PEM file with its private key. Secret."),
    })
    .optional()
    .describe("Shown to servers that ask for one."),
  insecureSkipVerify: z
    .boolean()
    .default(false)
    .describe("Danger: accepts any certificate, so anyone in between can lead requests anywhere."),
});

export type ServerTls = z.output<typeof serverTls>;
