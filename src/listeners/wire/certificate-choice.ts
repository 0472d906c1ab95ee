/** Which of a listener's certificates serves a name. The first that has it does; names that nobody has get the first of all. */

export class CertificateChoice {
  readonly #byName = new Map<string, number>();

  /** @param names of each certificate, lower case; `*.example.com` stands for exactly one label (RFC 6125 §6.4.3) */
  constructor(names: readonly (readonly string[])[]) {
    names.forEach((list, index) => {
      for (const name of list) if (!this.#byName.has(name)) this.#byName.set(name, index);
    });
  }

  /** @param host lower case, without port */
  indexFor(host: string): number {
    const dot = host.indexOf(".");
    return this.#byName.get(host) ?? (dot > 0 ? this.#byName.get(`*${host.slice(dot)}`) : undefined) ?? 0;
  }
}

/** Host of an authority as far as certificates are concerned: lower case, without port and trailing dot. */
export function hostOf(authority: string): string {
  const host = authority.replace(/:[0-9]*$/, "").toLowerCase();
  return host.endsWith(".") ? host.slice(0, -1) : host;
}
