import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasStarted, readMoveJournal } from '../../src/migrate/move/journal.js';
import { readRollbackJournal, scopeOfRequest } from '../../src/rollback/journal.js';
import { allOperations, forwardOperations, reasonOfReturn } from '../../src/runs/journal.js';
import { Access } from '../../src/runs/access.js';
import { RunKinds } from '../../src/runs/kinds.js';
import { findUnfinishedRun, listRuns } from '../../src/runs/unfinished.js';
import { Journal } from '../../src/store/journal.js';
import { Store } from '../../src/store/store.js';
import { aMove, atDocker, data } from '../support/moves.js';
import { makeBegin, temporaryDirectory } from '../support/store.js';

/** Journals of runs, with every plan in them parsed by the kind of the run. */

const RUN = 'run-0123456789ab';
const at = '2025-11-05T17:30:01.000Z';
const operations = [
  { kind: 'stop', services: ['api'], containers: ['api-1'], cause: 'its image changed' },
  { kind: 'start', services: ['api'], containers: ['api-1'], cause: 'it ran' },
];
const plan = {
  format: 1,
  kind: 'rollback',
  project: 'shop',
  target: { id: 'rb-000000000001', timestamp: at, description: '', kind: 'manual' },
  observation: 'sha256:1',
  operations,
  unchanged: [],
  risks: [],
  blockers: [],
};
const resume = {
  type: 'resume',
  at,
  pid: 2,
  process: '2-2-00000000',
  plan: { ...plan, operations: [operations[1]] },
};
const step = (type: 'doing' | 'done', index: number, phase = 'forward') => ({
  type,
  at,
  phase,
  step: index,
  ...(type === 'done' && { note: null }),
});
const way = { type: 'return', at, reason: 'api is not healthy', plan: { ...plan, kind: 'return' } };

/** A store with the journal of one run. */
async function storeWith(begin: object, ...records: object[]): Promise<Store> {
  const store = await Store.open(join(await temporaryDirectory(), 'backups'));
  await store.writeIndex();
  const journal = await Journal.begin(store.dir, { ...makeBegin(RUN), ...begin });
  await journal.close();
  for (const record of records) await appendFile(journal.path, `${JSON.stringify(record)}\n`);
  return store;
}

describe('of a rollback', () => {
  it('tells which operations were begun and done, by the plan they belong to', async () => {
    const store = await storeWith(
      { plan },
      step('doing', 0),
      step('done', 0),
      step('doing', 1),
      resume,
      step('doing', 0),
    );
    const journal = await readRollbackJournal(store, RUN);
    expect(scopeOfRequest(journal.begin.request)).toEqual({
      services: undefined,
      configOnly: false,
      volumes: true,
      outside: false,
      git: false,
      leaveTags: false,
    });
    expect(forwardOperations(journal, 'doing').map(({ kind }) => kind)).toEqual(['stop', 'start', 'start']);
    expect(forwardOperations(journal, 'done').map(({ kind }) => kind)).toEqual(['stop']);
    expect(allOperations(journal).map(({ kind }) => kind)).toEqual(['stop', 'start', 'start']);
    expect(reasonOfReturn(journal.records)).toBeUndefined();
  });

  it('tells why it went back', async () => {
    const store = await storeWith({ plan }, step('doing', 0), way, step('done', 0, 'return'));
    const journal = await readRollbackJournal(store, RUN);
    expect(reasonOfReturn(journal.records)).toBe('api is not healthy');
    expect(forwardOperations(journal, 'done')).toEqual([]);
  });

  it('is damaged when it has a step that its plan does not have', async () => {
    for (const records of [[step('doing', 2)], [{ ...resume, plan: null }, step('doing', 0)]]) {
      const journal = await readRollbackJournal(await storeWith({ plan }, ...records), RUN);
      expect(() => forwardOperations(journal, 'doing')).toThrow(/has a step \d that its plan has not/);
    }
  });

  it.each([
    ['whose plan is none', { plan: {} }, [], 1],
    ['of another kind', { plan, kind: 'to-podman' }, [], 1],
    ['whose request is none', { plan, request: {} }, [], 1],
    ['that goes on with no plan', { plan }, [step('doing', 0), { ...resume, plan: {} }], 3],
    ['that goes back with no plan', { plan }, [{ ...way, plan: { operations: [{ kind: 'dream' }] } }], 2],
  ])('is damaged: one %s', async (_, begin, records, line) => {
    const store = await storeWith(begin, ...records);
    await expect(readRollbackJournal(store, RUN)).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringContaining(`is damaged in line ${line}`),
    });
  });
});

describe('of a move', () => {
  const moving = aMove(atDocker(), { volumes: [data] });
  const started = moving.operations.findIndex(({ kind }) => kind === 'start-target');

  it('tells whether the target began to start', async () => {
    const begin = { kind: 'to-podman', plan: moving };
    const before = await storeWith(begin, step('doing', started - 1), step('done', started - 1));
    expect(hasStarted(await readMoveJournal(before, RUN))).toBe(false);
    const after = await storeWith(begin, step('doing', started), step('doing', 0, 'target'));
    expect(hasStarted(await readMoveJournal(after, RUN))).toBe(true);
  });

  it('is damaged when its plan is that of a rollback', async () => {
    const store = await storeWith({ kind: 'to-podman', plan });
    await expect(readMoveJournal(store, RUN)).rejects.toMatchObject({ code: 'damaged' });
  });
});

/** What the build before kinds of runs wrote on a real engine: finished, killed, aborted and resumed. */
describe('of version 0.1', () => {
  const journalOf = async (name: string): Promise<Store> => {
    const store = await Store.open(join(await temporaryDirectory(), 'backups'));
    const text = await readFile(new URL(`journals-0.1/${name}.jsonl`, import.meta.url), 'utf8');
    await mkdir(store.dir.runsDir, { recursive: true });
    await writeFile(store.dir.journalFile(RUN), text.replaceAll(/run-[0-9a-f]{12}/g, RUN));
    return store;
  };

  it.each([
    [
      'rollback-done',
      'rollback',
      ['stage-volume', 'stop', 'restore-volume', 'retag', 'up', 'verify', 'keep-volume'],
      undefined,
    ],
    [
      'undo-done',
      'undo',
      ['stage-volume', 'stop', 'restore-volume', 'retag', 'up', 'verify', 'keep-volume'],
      undefined,
    ],
    ['service-done', 'service', ['stop', 'retag', 'up', 'verify'], undefined],
    ['rollback-killed', 'rollback', ['stage-volume', 'stop', 'restore-volume', 'retag', 'up'], undefined],
    ['rollback-aborted', 'rollback', ['stage-volume', 'stop', 'restore-volume', 'retag', 'up'], 'aborted'],
  ])('%s', async (name, kind, done, reason) => {
    const journal = await readRollbackJournal(await journalOf(name), RUN);
    expect(journal.begin.kind).toBe(kind);
    expect(forwardOperations(journal, 'done').map((one) => one.kind)).toEqual(done);
    expect(reasonOfReturn(journal.records)).toBe(reason);
  });

  it.each([
    ['move-killed-copying', false, undefined],
    ['move-aborted', false, 'aborted'],
    ['move-killed-starting', true, undefined],
    ['move-resumed', true, undefined],
  ])('%s', async (name, started, reason) => {
    const journal = await readMoveJournal(await journalOf(name), RUN);
    expect(journal.begin.kind).toBe('to-podman');
    expect(hasStarted(journal)).toBe(started);
    expect(reasonOfReturn(journal.records)).toBe(reason);
  });
});

describe('runs of a project', () => {
  it('are told by their journals where a killed process has not told the index', async () => {
    const end = { type: 'end', at, result: 'done', message: 'fine', warnings: [] };
    const store = await storeWith({ plan }, step('doing', 0));
    expect(await listRuns(store, 'shop')).toMatchObject([{ id: RUN, ended: null }]);
    expect(await listRuns(store, 'other')).toEqual([]);
    await store.tidy(); // the index knows that it began
    await appendFile(store.dir.journalFile(RUN), `${JSON.stringify(end)}\n`);
    expect(await listRuns(store, 'shop')).toMatchObject([{ id: RUN, ended: at, result: 'done' }]);
    // Resume and abort choose it, because they tell the index under the lock.
    const folder = await temporaryDirectory();
    await writeFile(join(folder, 'compose.yaml'), 'name: shop\nservices: {}\n');
    const access = new Access({ projectRoot: folder, backupDir: store.path, env: {} }, new RunKinds([]));
    expect(await findUnfinishedRun(access)).toMatchObject({ id: RUN, ended: null });
    await store.tidy();
    const text = await readFile(store.dir.journalFile(RUN), 'utf8');
    await writeFile(store.dir.journalFile(RUN), text.slice(0, 10));
    expect(await listRuns(store, 'shop')).toMatchObject([{ id: RUN, result: 'done' }]);
  });
});
