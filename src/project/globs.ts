import { isAbsolute } from 'node:path';

/** Where globs are looked for. All absolute. */
export interface GlobPlace {
  directory: string;
  /** Directories that nothing is taken from. */
  ignored: string[];
}

/** The files (absolute) that globs mean: relative to the directory, or absolute ones. Links are not followed. */
export async function filesMatching(
  patterns: string[],
  { directory, ignored }: GlobPlace,
): Promise<string[]> {
  const { escapePath, glob } = await import('tinyglobby');
  const ignore = ['**/.git/**', ...ignored.map((path) => `${escapePath(path)}/**`)];
  const options = { dot: true, followSymbolicLinks: false, absolute: true, ignore };
  const [inner, outer] = [
    patterns.filter((pattern) => !isAbsolute(pattern)),
    patterns.filter((pattern) => isAbsolute(pattern)),
  ];
  return [
    ...(inner.length > 0 ? await glob(inner, { ...options, cwd: directory }) : []),
    ...(outer.length > 0 ? await glob(outer, { ...options, cwd: '/' }) : []),
  ];
}
