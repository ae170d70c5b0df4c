import { expect, it } from 'vitest';
import { chooseName, type KnownNames, type RecordedName } from '../../src/session/choose-name.js';

const recorded = (name: string, more: Partial<RecordedName> = {}): RecordedName => ({
  name,
  isGiven: false,
  isByFolder: false,
  ...more,
});

const chosen = (known: Partial<KnownNames>) =>
  chooseName({
    located: { name: 'shop' },
    subject: 'points',
    hasPoints: false,
    hasContainers: false,
    recorded: [],
    running: [],
    ...known,
  });

const OLD = [recorded('old')];
const GIVEN = [recorded('test', { isGiven: true })];

it.each<[string, Partial<KnownNames>, string, boolean]>([
  ['nothing else is known', {}, 'shop', false],
  ['it has points', { hasPoints: true, recorded: OLD, running: ['prod'] }, 'shop', false],
  [
    'an update named it: its points have the earlier name',
    { hasContainers: true, recorded: OLD },
    'old',
    true,
  ],
  ['the present of that', { hasContainers: true, recorded: OLD, subject: 'present' }, 'shop', false],
  ['another project was run from here with -p', { hasContainers: true, recorded: GIVEN }, 'shop', true],
  ['two earlier names', { hasContainers: true, recorded: [...OLD, recorded('older')] }, 'shop', true],
  ['-p was forgotten', { running: ['prod'] }, 'prod', true],
  ['-p was forgotten, by a command that records', { running: ['prod'], subject: 'present' }, 'prod', true],
  ['-p was forgotten, and points say the same', { running: ['test'], recorded: GIVEN }, 'test', true],
  ['containers and points disagree', { running: ['prod'], recorded: OLD }, 'shop', true],
  ['several run from here', { running: ['blue', 'green'] }, 'shop', true],
  ['all is down, its points are of one name', { recorded: GIVEN }, 'test', true],
  ['no engine is asked', { recorded: OLD, hasContainers: undefined }, 'old', true],
  ['nothing runs under the name of the points', { recorded: OLD, subject: 'present' }, 'shop', true],
  [
    'podman-compose ignores the name',
    { recorded: [recorded('dir', { isByFolder: true })], subject: 'present' },
    'dir',
    false,
  ],
])('%s: %#', (_what, known, name, isTold) => {
  const found = chosen(known);
  expect(found.name).toBe(name);
  expect(found.notice !== undefined).toBe(isTold);
  if (isTold) expect(found.notice).toContain(name);
});

it('names what it does not take', () => {
  expect(chosen({ running: ['blue', 'green'] }).notice).toContain('blue, green');
  expect(chosen({ hasContainers: true, recorded: GIVEN }).notice).toContain('test');
});
