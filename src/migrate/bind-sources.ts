import type { ComposeModel } from '../model/compose.js';
import { isDenied, look } from '../project/paths.js';

/** What the bind mounts of a project have as their sources, for the user who asks. */
export interface BindSources {
  missing: ReadonlySet<string>;
  /** A folder above them does not let the user through. */
  denied: ReadonlySet<string>;
  /** Those of other users, by the owner's id. */
  foreign: ReadonlyMap<string, number>;
}

/** What is above belongs to no account, but to the inside of somebody's containers. */
const LAST_ACCOUNT = 65_535;

export async function lookAtSources({ services }: ComposeModel): Promise<BindSources> {
  const sources = Object.values(services).flatMap(({ volumes }) =>
    volumes.flatMap(({ type, source }) => (type === 'bind' && source !== undefined ? [source] : [])),
  );
  const missing = new Set<string>();
  const denied = new Set<string>();
  const foreign = new Map<string, number>();
  for (const source of new Set(sources)) {
    const owner = await ownerOf(source);
    if (owner === undefined) missing.add(source);
    else if (owner === 'denied') denied.add(source);
    else if (owner !== process.geteuid?.() && owner <= LAST_ACCOUNT) foreign.set(source, owner);
  }
  return { missing, denied, foreign };
}

async function ownerOf(path: string): Promise<number | 'denied' | undefined> {
  try {
    return (await look(path))?.uid;
  } catch (error) {
    if (isDenied(error)) return 'denied';
    throw error;
  }
}
