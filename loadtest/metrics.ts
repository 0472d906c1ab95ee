/** What the gateway's admin listener says about itself. */

/** A scrape, read as sums over labels. */
export class Metrics {
  readonly #rows: readonly string[];

  constructor(text: string) {
    this.#rows = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  }

  sum(name: string, label = ""): number {
    const rows = this.#rows.filter((row) => (row.startsWith(`${name}{`) || row.startsWith(`${name} `)) && row.includes(label));
    return rows.reduce((sum, row) => sum + Number(row.slice(row.lastIndexOf(" ") + 1)), 0);
  }

  /** Sums by the values of one label. */
  by(name: string, label: string): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const row of this.#rows) {
      const value = row.startsWith(`${name}{`) ? new RegExp(`[{,]${label}="([^"]*)"`).exec(row)?.[1] : undefined;
      if (value !== undefined) sums[value] = (sums[value] ?? 0) + Number(row.slice(row.lastIndexOf(" ") + 1));
    }
    return sums;
  }
}

export async function scrape(adminPort: number): Promise<Metrics> {
  return new Metrics(await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text());
}
