import { beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Operation } from '../../../src/model/plan.js';
import { execute } from '../../../src/operations/executor.js';
import { Access } from '../../../src/runs/access.js';
import { RunKinds } from '../../../src/runs/kinds.js';
import { abort, resume } from '../../../src/runs/recover.js';
import { undo } from '../../../src/runs/undo.js';
import type { Workspace } from '../../../src/session/workspace.js';
import { cli, containersOf, json } from '../../support/e2e.js';
import { aShop, type Shop } from '../../support/shop.js';
import { beginRestart, restart, restartKind } from './restart/kind.js';

/** A kind of run that the program does not have, added in one folder: all that runs have in common works for it. */

const kinds = new RunKinds([restartKind]);
const RUN = 'run-00000000000';

let shop: Shop;
let access: Access;

beforeAll(async () => {
  shop = await aShop('e2e-new-kind');
  vi.stubEnv('COMPOSE_ROLLBACK_LOCK_DIR', shop.locks);
  access = new Access({ projectRoot: shop.directory }, kinds);
});

beforeEach(async () => {
  await abort(access, kinds); // of a run that a failed test left
  await shop.serves('v2');
});

const api = async () => (await containersOf(shop))[`${shop.name}-api-1`];
const resultOf = async (run: string) => {
  const { runs } = Object(await json(shop, 'runs'));
  return Object(runs.find(({ id }: { id: string }) => id === run)).result;
};

/** A run whose process died between its two operations: the service is stopped. */
async function killedAfterStop(run: string): Promise<void> {
  await access.change(
    'restart',
    () => [run],
    async (workspace) => {
      const restarting = await beginRestart(workspace, 'api', run);
      const { emit, signal } = workspace;
      const { journal } = restarting.log;
      const operations = restarting.plan.operations.slice(0, 1);
      const perform = (operation: Operation) => restarting.perform(operation);
      await execute({ operations, phase: 'forward', perform, journal, emit, signal });
      await journal.close();
    },
  );
  expect(await api()).toMatchObject({ state: 'exited' });
}

test('it is planned, carried out, journalled and listed', async () => {
  const before = await api();
  const { run } = await access.change(
    'restart',
    () => [],
    (workspace: Workspace) => restart(workspace, 'api'),
  );
  const after = await api();
  expect(after).toMatchObject({ id: before?.id, state: 'running' });
  expect(after?.startedAt).not.toBe(before?.startedAt);
  expect(Object(await json(shop, 'runs')).runs[0]).toMatchObject({
    id: run,
    kind: 'restart',
    result: 'done',
  });
  const way = await undo(access, kinds, undefined, { dryRun: true });
  expect(way.plan.operations).toEqual([]);
});

test('it is resumed when its process died', async () => {
  const run = `${RUN}1`;
  await killedAfterStop(run);
  expect(await resume(access, kinds)).toMatchObject({ kind: 'restart', run, result: 'done' });
  expect(await api()).toMatchObject({ state: 'running' });
  expect(await resultOf(run)).toBe('done');
  expect(await resume(access, kinds)).toBeUndefined();
});

test('it is aborted when its process died', async () => {
  const run = `${RUN}2`;
  await killedAfterStop(run);
  expect(await abort(access, kinds)).toMatchObject({ id: run });
  expect(await api()).toMatchObject({ state: 'running' });
  expect(await resultOf(run)).toBe('returned');
});

test('a version that does not know it says so, and leaves it alone', async () => {
  const run = `${RUN}3`;
  await killedAfterStop(run);
  const { exitCode, stderr } = await cli(shop, 'resume');
  expect(stderr).toMatch(
    /is a run of the kind "restart", which this version does not know\nhint: use the version/,
  );
  expect(exitCode).toBe(2);
  expect(await api()).toMatchObject({ state: 'exited' });
  await abort(access, kinds);
  expect(await api()).toMatchObject({ state: 'running' });
});
