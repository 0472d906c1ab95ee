export async function test(_a: readonly string[]): Promise<number> {
  return 1;
}
