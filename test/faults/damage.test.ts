import { open, readdir, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join, relative } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import type * as Library from '../../src/index.js';
import { cli } from '../support/e2e.js';
import { HOURS, numbers } from '../support/faults.js';
import { twoStates, type TwoStates } from '../support/two-states.js';
import { leavesOnlyATrace } from '../support/untouched.js';

/**
 * One bit of a point's files is another than it was written: `verify` finds it, whichever it is, and `rollback` refuses before it touches
 * anything. `FLIPS=N` tries so many, spread over all files, chosen by `FLIP_SEED`.
 */

const FLIPS = Number(process.env['FLIPS'] ?? 60);
const SEED = Number(process.env['FLIP_SEED'] ?? 1);
/** Every so many flips the rollback is planned, or begun for good. */
const PLANNED = 4;
const BEGUN = 40;

const library: typeof Library = await import(fileURLToPath(new URL('../../dist/index.js', import.meta.url)));

let states: TwoStates;
let manager: Library.RollbackManager;
let files: string[];

beforeAll(async () => {
  states = await twoStates('damage');
  vi.stubEnv('COMPOSE_ROLLBACK_LOCK_DIR', states.stack.locks);
  manager = new library.RollbackManager({ projectRoot: states.stack.directory });
  const found = await readdir(directory(), { recursive: true, withFileTypes: true });
  files = found
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(directory(), join(parentPath, name)))
    .toSorted();
});

const directory = () => states.stack.path(`rollback/backups/${states.point}`);

interface Flip {
  file: string;
  byte: number;
  bit: number;
}

/** The files in turn, each at random places. */
async function flips(): Promise<Flip[]> {
  const random = numbers(SEED);
  const below = (limit: number) => Math.floor((random.next().value / 2147483648) * limit);
  const chosen: Flip[] = [];
  for (let index = 0; index < FLIPS; index += 1) {
    const file = files[index % files.length] ?? '';
    const { size } = await stat(join(directory(), file));
    chosen.push({ file, byte: below(size), bit: below(8) });
  }
  return chosen;
}

/** In place, where other points may hold the same bytes; done twice it is undone. */
async function flip({ file, byte, bit }: Flip): Promise<void> {
  const handle = await open(join(directory(), file), 'r+');
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, byte);
  await handle.write(Buffer.of((buffer[0] ?? 0) ^ (1 << bit)), 0, 1, byte);
  await handle.close();
}

/** The sidecar has one purpose: it tells that the record is not what was written. */
const namedAs = (file: string) => file.replace('.sha256', '');

async function isRefused({ file }: Flip): Promise<void> {
  await expect(manager.rollback(states.point, { dryRun: true })).rejects.toMatchObject({ code: 'blocked' });
  const { exitCode, stderr } = await leavesOnlyATrace(states.stack, () =>
    cli(states.stack, 'rollback', states.point, '--yes'),
  );
  expect([exitCode, stderr]).toEqual([3, expect.stringContaining(namedAs(file))]);
}

test('the point is sound, and holds every kind of file', async () => {
  expect(await manager.verify(states.point)).toMatchObject([{ sound: true }]);
  const kinds = new Set(files.map((file) => file.split('/')[0] ?? ''));
  expect([...kinds]).toEqual([
    'configs',
    'images',
    'model.json',
    'point.json',
    'point.json.sha256',
    'volumes',
  ]);
});

test(
  `${FLIPS} flipped bits: each is found, and each stands in the way`,
  async () => {
    for (const [index, one] of (await flips()).entries()) {
      const where = `bit ${one.bit} of byte ${one.byte} of ${one.file}`;
      await flip(one);
      const [verified] = await manager.verify(states.point);
      expect(verified?.sound, where).toBe(false);
      expect(
        verified?.problems.map(({ path }) => path),
        where,
      ).toContain(namedAs(one.file));
      // The files come in turn: so that each of them has its turn here, too, this is not every fixed number of flips.
      const round = index + Math.floor(index / files.length);
      if (round % PLANNED === 0) {
        const plan = manager.rollback(states.point, { dryRun: true });
        await expect(plan, where).rejects.toMatchObject({ code: 'blocked' });
      }
      if (round % BEGUN === 0) await isRefused(one);
      await flip(one);
    }
    expect(await manager.verify(states.point)).toMatchObject([{ sound: true }]);
  },
  HOURS,
);

test('the command says so with its exit code', async () => {
  const [first = expect.fail('no flip')] = await flips();
  await flip(first);
  const { exitCode, stdout } = await cli(states.stack, 'verify', states.point, '--json');
  await flip(first);
  expect([exitCode, stdout]).toEqual([1, expect.stringContaining(namedAs(first.file))]);
  expect(await states.state()).toBe('v2');
});
