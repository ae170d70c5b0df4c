import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test, vi } from 'vitest';
import type * as Library from '../../src/index.js';
import { cli } from '../support/e2e.js';
import { HOURS } from '../support/faults.js';
import {
  chooseFlips,
  describeFlip,
  filesBelow,
  flipBit,
  FLIPS,
  reportedName,
  type Flip,
} from '../support/flips.js';
import { twoStates, type TwoStates } from '../support/two-states.js';
import { leavesOnlyATrace } from '../support/untouched.js';

/**
 * One bit of a point's files is another than it was written, whichever it is: `rollback` refuses before it touches anything. `FLIPS=N` tries a
 * quarter of so many. That `verify` finds each of them: test/contract/damage.test.ts.
 */

const PLANNED = Math.ceil(FLIPS / 4);
/** Every so many flips the rollback is begun for good. */
const BEGUN = 10;

const library: typeof Library = await import(fileURLToPath(new URL('../../dist/index.js', import.meta.url)));

let states: TwoStates;
let manager: Library.RollbackManager;

beforeAll(async () => {
  states = await twoStates('damage');
  vi.stubEnv('COMPOSE_ROLLBACK_LOCK_DIR', states.stack.locks);
  manager = new library.RollbackManager({ projectRoot: states.stack.directory });
});

const directory = () => states.stack.path(`rollback/backups/${states.point}`);

async function isRefused({ file }: Flip): Promise<void> {
  const { exitCode, stderr } = await leavesOnlyATrace(states.stack, () =>
    cli(states.stack, 'rollback', states.point, '--yes'),
  );
  expect([exitCode, stderr]).toEqual([3, expect.stringContaining(reportedName(file))]);
}

test('the point is sound, and holds every kind of file', async () => {
  expect(await manager.verify(states.point)).toMatchObject([{ sound: true }]);
  const kinds = new Set((await filesBelow(directory())).map((file) => file.split('/')[0] ?? ''));
  expect([...kinds]).toEqual([
    'configs',
    'facts.json',
    'images',
    'model.json',
    'point.json',
    'point.json.sha256',
    'volumes',
  ]);
});

test(
  `${PLANNED} flipped bits: each stands in the way`,
  async () => {
    for (const [index, flip] of (await chooseFlips(directory(), PLANNED)).entries()) {
      await flipBit(directory(), flip);
      const plan = manager.rollback(states.point, { dryRun: true });
      await expect(plan, describeFlip(flip)).rejects.toMatchObject({ code: 'blocked' });
      if (index % BEGUN === 0) await isRefused(flip);
      await flipBit(directory(), flip);
    }
    expect(await manager.verify(states.point)).toMatchObject([{ sound: true }]);
    expect(await states.state()).toBe('v2');
  },
  HOURS,
);
