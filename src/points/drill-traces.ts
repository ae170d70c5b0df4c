import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DRILL_LABEL } from '../model/engine.js';
import { messageOf, RollbackError } from '../model/errors.js';
import { DRILL_REPOSITORY } from '../model/names.js';
import type { Workspace } from '../session/workspace.js';
import { explained, hasErrno } from '../store/files.js';
import { ownMark } from '../store/process.js';
import { isLeftBehind } from '../store/sweep.js';

/** What a drill leaves while it goes, and how it is found again: by a mark that names the drill and its process. */
export interface Drill {
  /** On every label and tag of the drill, and in the name of its directory. */
  mark: string;
  /** Name of its compose project. */
  project: string;
  /** Its own, in the backup directory: made before anything else, removed after everything else. */
  directory: string;
  /** What stands beside unpacked data goes by the id of a run. */
  run: string;
}

type Traced = Pick<Workspace, 'engine' | 'store' | 'emit'>;

const MARK = /^drill-[0-9a-f]{12}-\d+-\d+-[0-9a-f]{8}(?=$|-\d+$)/;
const PREFIX = '.tmp-';

export async function beginDrill({ store, project }: Workspace): Promise<Drill> {
  const id = randomBytes(6).toString('hex');
  const mark = `drill-${id}-${await ownMark()}`;
  const directory = join(store.path, PREFIX + mark);
  await explained('make a directory for the drill', () => mkdir(directory, { mode: 0o700 }));
  return { mark, project: `${project.name}-drill-${id.slice(0, 6)}`, directory, run: `run-${id}` };
}

export const drillTag = ({ mark }: Drill, number: number): string => `${DRILL_REPOSITORY}:${mark}-${number}`;

/** Takes away all that a drill made. Can be repeated; throws with what is left still marked. */
export async function removeTraces({ engine, store }: Omit<Traced, 'emit'>, mark: string): Promise<void> {
  for (const { kind, id, value } of await engine.labelled(DRILL_LABEL)) {
    if (value !== mark) continue;
    if (kind === 'container') await engine.removeHelper(id);
    else await (kind === 'network' ? engine.removeNetwork(id) : engine.removeVolume(id));
  }
  for (const { reference } of await engine.references(DRILL_REPOSITORY)) {
    if (markIn(reference.slice(DRILL_REPOSITORY.length + 1)) === mark) await engine.untag(reference);
  }
  await explained('remove the directory of the drill', () =>
    rm(join(store.path, PREFIX + mark), { recursive: true, force: true }),
  );
}

/**
 * Takes away what killed drills left: those of this backup directory, and with `everywhere` all that the engine knows of. What cannot be taken
 * away is told, and stands in nobody's way.
 */
export async function sweepDrills(workspace: Traced, { everywhere = false } = {}): Promise<void> {
  const { engine, store, emit } = workspace;
  try {
    const names = (await namesIn(store.path)).filter((name) => name.startsWith(PREFIX));
    const texts = names.map((name) => name.slice(PREFIX.length));
    if (everywhere) {
      const references = await engine.references(DRILL_REPOSITORY);
      texts.push(...references.map(({ reference }) => reference.slice(DRILL_REPOSITORY.length + 1)));
      texts.push(...(await engine.labelled(DRILL_LABEL)).map(({ value }) => value));
    }
    const marks = new Set(texts.map(markIn).filter((mark) => mark !== undefined));
    for (const mark of marks) {
      if (await isLeftBehind(store.dir, PREFIX + mark)) await removeTraces(workspace, mark);
    }
  } catch (error) {
    if (!(error instanceof RollbackError)) throw error;
    emit({ type: 'warning', message: `what a killed drill left is still there: ${messageOf(error)}` });
  }
}

const markIn = (text: string): string | undefined => MARK.exec(text)?.[0];

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
