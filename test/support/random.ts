/** Chance that a seed repeats. */

/** A linear congruential generator: the same seed gives the same sample everywhere. */
export function* numbers(seed: number): Generator<number> {
  for (let x = seed; ;) {
    x = (x * 1103515245 + 12345) % 2147483648;
    yield x;
  }
}

/** So many of them, chosen by the seed; one may be chosen twice. */
export function sample<T>(all: readonly T[], size: number, seed: number): T[] {
  const random = numbers(seed);
  return Array.from(
    { length: size },
    () => all[Math.floor((random.next().value / 2147483648) * all.length)],
  ).filter((one) => one !== undefined);
}
