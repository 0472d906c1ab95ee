/** Version 1: a line of text. It is judged when it is complete, except for what no line may begin with or contain. */
import { LOCAL_HEADER, type ProxyHeader, type ProxyRefusal, type VersionReader } from "./header.js";
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from "./ip-text.js";

/** With CRLF. The longest line that means anything has as many. */
const MAX_LINE_BYTES = 107;
const START = "PROXY ";
const PORT = /^(?:0|[1-9][0-9]{0,4})$/;
const MAX_PORT = 65_535;
const CR = 0x0d;
const LF = 0x0a;

export class Version1Reader implements VersionReader {
  #line = "";
  header: ProxyHeader | null = null;
  refusal: ProxyRefusal | null = null;

  feed(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && this.header === null && this.refusal === null) this.#take(bytes[at++] as number);
    return at;
  }

  #take(byte: number): void {
    const length = this.#line.length;
    if (length < START.length && byte !== START.charCodeAt(length)) this.refusal = "not-proxy-protocol";
    else if (this.#line.endsWith("\r")) this.#end(byte);
    else if (byte === LF) this.refusal = "bare-lf";
    // Behind it only the line feed may come.
    else if (length === MAX_LINE_BYTES - 2 && byte !== CR) this.refusal = "line-too-long";
    else this.#line += String.fromCharCode(byte);
  }

  #end(byte: number): void {
    if (byte !== LF) this.refusal = "bare-cr";
    else this.#judge(this.#line.slice(START.length, -1));
  }

  #judge(text: string): void {
    const parts = text.split(" ");
    // Whatever comes behind UNKNOWN is to be ignored.
    if (parts[0] === "UNKNOWN") this.header = LOCAL_HEADER;
    else if (parts[0] !== "TCP4" && parts[0] !== "TCP6") this.refusal = "bad-protocol";
    else if (parts.length !== 5) this.refusal = "bad-line";
    else this.#judgeAddresses(parts[0] === "TCP4" ? readIpv4 : readIpv6, parts as [string, string, string, string, string]);
  }

  #judgeAddresses(
    readAddress: (text: string) => string | null,
    [, source, destination, sourcePort, destinationPort]: readonly [string, string, string, string, string],
  ): void {
    const [sourceAddress, destinationAddress] = [readAddress(source), readAddress(destination)];
    if (sourceAddress === null || destinationAddress === null) this.refusal = "bad-address";
    else if (!isPort(sourcePort) || !isPort(destinationPort)) this.refusal = "bad-port";
    else {
      const ports = { sourcePort: Number(sourcePort), destinationPort: Number(destinationPort) };
      this.header = { isLocal: false, sourceAddress, destinationAddress, ...ports };
    }
  }
}

function readIpv4(text: string): string | null {
  const bytes = parseIpv4(text);
  return bytes === null ? null : formatIpv4(bytes, 0);
}

function readIpv6(text: string): string | null {
  const bytes = parseIpv6(text);
  return bytes === null ? null : formatIpv6(bytes, 0);
}

function isPort(text: string): boolean {
  return PORT.test(text) && Number(text) <= MAX_PORT;
}
