import { RollbackError } from '../../model/errors.js';
import type { MovePlan } from '../../model/move.js';
import type { RunSummary } from '../../model/run.js';
import { readIfOpen } from '../../points/find.js';
import type { Relocation } from '../../runs/kinds.js';
import { listRuns } from '../../runs/unfinished.js';
import type { Store } from '../../store/store.js';
import { readMoveJournal } from './journal.js';
import { isMoveKind } from './names.js';

/** A move by which a project came to where it is. */
export interface LastMove {
  run: RunSummary;
  plan: MovePlan;
}

/**
 * Undefined when the project was never moved.
 * @throws RollbackError `damaged`
 */
export async function lastMove(store: Store, project: string): Promise<LastMove | undefined> {
  const runs = await listRuns(store, project);
  const run = runs.find(({ kind, result }) => isMoveKind(kind) && result === 'done');
  return run && { run, plan: await readMovePlan(store, run.id) };
}

/** @throws RollbackError `damaged`, `no-such-run` */
export async function readMovePlan(store: Store, run: string): Promise<MovePlan> {
  return (await readMoveJournal(store, run)).begin.plan;
}

/** @throws RollbackError `damaged`, `no-such-run` */
export async function relocationOf(store: Store, run: string): Promise<Relocation> {
  const { source, target } = await readMovePlan(store, run);
  return { from: source.id, to: target };
}

/** Gives the points that moves made and pinned to retention. */
export async function unpinMoves(store: Store, project: string): Promise<void> {
  const index = await store.readIndex();
  const targets = new Set(
    (index?.runs({ project }) ?? []).filter(({ kind }) => isMoveKind(kind)).map((run) => run.target),
  );
  const points = index?.points({ project, kinds: ['migration'] }) ?? [];
  for (const { id, pinned } of points) if (pinned && targets.has(id)) await store.setPinned(id, false);
}

/**
 * The newest point that was recorded for a move, on Docker.
 * @throws RollbackError `no-such-point`
 */
export async function newestBackup(store: Store, project: string): Promise<string> {
  const points = (await store.readIndex())?.points({ project, kinds: ['migration'] }) ?? [];
  for (const { id } of points) {
    const point = await readIfOpen(store, id);
    if (point?.metadata.engine.kind === 'docker') return id;
  }
  throw new RollbackError('no-such-point', `there is no backup of ${project} as it ran on Docker`, {
    hint: 'compose-rollback migrate backup makes one; so does compose-rollback migrate to-podman',
  });
}
