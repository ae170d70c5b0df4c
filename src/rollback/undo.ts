import { messageOf, RollbackError } from '../model/errors.js';
import { ENGINE_NAMES, isMove, quoted, RUN_ID } from '../model/names.js';
import type { Point, SealedPoint } from '../model/point.js';
import type { RunSummary } from '../model/run.js';
import { readJournal } from '../store/journal.js';
import { keepReplaced } from '../run/data.js';
import type { Workspace } from '../run/workspace.js';
import type { Store } from '../store/store.js';
import { discardStaged } from './volumes.js';

/**
 * The run to take back: the named one, else the newest that changed the project. Undoing an undo is redoing: an undo is a run like any
 * other. Throws `no-such-run`.
 */
export async function findUndoable(
  store: Store,
  project: string,
  run: string | undefined,
): Promise<RunSummary> {
  if (run !== undefined && !RUN_ID.test(run)) {
    throw new RollbackError('usage', `${quoted(run)} is not the id of a run`, {
      hint: 'give an id such as run-a1b2c3d4e5f6; `compose-rollback runs` shows them',
    });
  }
  const found = await findRun(store, project, run);
  if (!found) {
    throw new RollbackError(
      'no-such-run',
      run ? `project ${project} has no run ${run}` : 'there is nothing to undo',
      {
        hint: '`compose-rollback runs` shows what was done',
      },
    );
  }
  if (found.result === 'returned') {
    throw new RollbackError('usage', `${found.id} failed and was taken back already`, {
      hint: '`compose-rollback runs` shows the others',
    });
  }
  if (isMove(found.kind)) {
    throw new RollbackError('blocked', `${found.id}, a move to another engine, is not ended`, {
      hint: 'compose-rollback resume finishes it, compose-rollback abort takes it back',
    });
  }
  return found;
}

/** The named run, else the newest that changed the project. */
export async function findRun(
  store: Store,
  project: string,
  run: string | undefined,
): Promise<RunSummary | undefined> {
  const runs = (await store.readIndex())?.runs({ project }) ?? [];
  return runs.find(({ id, result }) => (run === undefined ? result === 'done' : id === run));
}

/** What was kept before a move is that of another engine. Throws `usage`. */
export function assertSameEngine(
  { id, safety }: RunSummary,
  { metadata }: Point | SealedPoint,
  { identity }: Workspace,
): void {
  const { kind } = metadata.engine;
  if (kind === identity.kind) return;
  throw new RollbackError('usage', `${id} was a run on ${ENGINE_NAMES[kind]}, before the project was moved`, {
    hint: `undo the move first, or go to its safety point: compose-rollback rollback ${safety}`,
  });
}

/** What a run reached besides the project's own files and containers: taking it back has to go there too. */
export async function reachOf(store: Store, run: string): Promise<{ outside: boolean; git: boolean }> {
  const [begin] = await readJournal(store.dir.journalFile(run));
  return begin?.type === 'begin' ? begin.request : { outside: false, git: false };
}

/**
 * What a run could not archive lies beside its volume still: it goes into the safety point before anything goes back to that; what it unpacked and
 * never used goes away. Throws `blocked`, with nothing touched, when that is not possible yet.
 */
export async function keepFirst(workspace: Workspace, { safety, result }: RunSummary): Promise<void> {
  const point = await workspace.store.read(safety);
  const { replaced, volume_data, metadata } = point;
  const stored = new Set(volume_data.map(({ name }) => name));
  // A run that failed may not have come to a volume, or have brought its data back.
  const mayBeBack = result !== 'done';
  for (const data of replaced.filter(({ name }) => !stored.has(name))) {
    try {
      await keepReplaced(workspace, safety, data, metadata.run ?? '', { mayBeBack });
    } catch (error) {
      throw new RollbackError(
        'blocked',
        `the replaced data of ${data.name} cannot be archived; nothing was touched`,
        {
          hint: `it is beside ${data.path}: free some space in the backup directory, then try again`,
          details: [messageOf(error)],
          cause: error,
        },
      );
    }
  }
  await discardStaged(workspace, point);
}
