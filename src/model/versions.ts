/**
 * Compares versions as programs report them. Distributions add their own suffixes (`2.26.1-4` of Debian, `2.24.6+ds1-0ubuntu2` of
 * Ubuntu); only the numbers of the release count, as on the containers that compose makes.
 */

/** Is `version` (`4.3.1`) this one or a later one? */
export function isAtLeast(version: string, wanted: string): boolean {
  const [own = [], other = []] = [parseRelease(version), parseRelease(wanted)];
  for (const [index, part] of other.entries()) {
    const difference = (own[index] ?? 0) - part;
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** Are both known, and of the same release? */
export function isSameRelease(one: string | null | undefined, other: string | null | undefined): boolean {
  const [first, second] = [parseRelease(one ?? ''), parseRelease(other ?? '')];
  return first !== undefined && second !== undefined && first.join('.') === second.join('.');
}

/** Major, minor and patch number; undefined for text that does not begin with a version. */
function parseRelease(version: string): number[] | undefined {
  const numbers = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(version);
  return numbers?.slice(1).map((number: string | undefined) => Number(number ?? 0));
}
