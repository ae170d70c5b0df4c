import { mkdir, symlink } from 'node:fs/promises';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { aStack, filesOf, type Stack } from '../../support/e2e.js';
import { composeAs, okAs, roundTrip, SLEEPER, type Call } from '../../support/round-trip.js';

/** A project that is named after its folder, and called from everywhere but there. */

const composeFile = (version = 1) => `
services:
  web: { ${SLEEPER}, labels: [version=${version}], volumes: ['./web.conf:/etc/web.conf:ro'] }
  idle: { ${SLEEPER}, volumes: ['./idle.conf:/etc/idle.conf:ro'] }
`;

let stack: Stack;
/** The folder, and a link to it under another name and with the project's name. */
let folder: string;
let link: string;
let user: Call;

beforeAll(async () => {
  stack = await aStack('e2e-folder', () => ({
    'real/app/compose.yaml': composeFile(),
    'real/app/web.conf': 'web\n',
    'real/app/idle.conf': 'idle\n',
    'other/compose.yaml': `services: { other: { ${SLEEPER} } }\n`,
  }));
  await mkdir(stack.path('real/app/deep/er'), { recursive: true });
  folder = stack.path('real/app');
  link = stack.path(stack.name);
  await symlink('real/app', link);
  user = { cwd: link };
});

beforeEach(async () => {
  await stack.write({ 'real/app/compose.yaml': composeFile() });
  await composeAs(stack, user, 'up', '--detach');
});

const change = async () => {
  await stack.write({ 'real/app/compose.yaml': composeFile(2) });
  await composeAs(stack, user, 'up', '--detach');
};

test('from a folder below through a symlink, and from elsewhere by name and by folder', async () => {
  const { stderr } = await roundTrip(stack, {
    change,
    touched: ['web'],
    createCall: { cwd: `${link}/deep/er` },
    call: { cwd: '/', flags: ['-p', stack.name] },
    undoCall: { cwd: '/', flags: ['--project-directory', link] },
    up: user,
  });
  expect(stderr).toContain('Restoring compose.yaml');
});

test('by the real path of a folder that it was started from under another', async () => {
  const call: Call = { cwd: folder, flags: ['-p', stack.name] };
  const { stderr } = await roundTrip(stack, { change, touched: ['web'], call, up: user });
  expect(stderr).toContain('Restoring compose.yaml');
});

test('by name from the folder of another project, undo included', async () => {
  const call: Call = { cwd: stack.path('other'), flags: ['-p', stack.name] };
  const { stderr } = await roundTrip(stack, { change, touched: ['web'], call, undoCall: call, up: user });
  expect(stderr).toContain('Restoring compose.yaml');
});

test('all points are in the project, wherever they were made from', async () => {
  const list = async (): Promise<{ id: string }[]> =>
    JSON.parse((await okAs(stack, { cwd: `${link}/deep` }, 'list', '--json')).stdout).points;
  const before = await list();
  await okAs(stack, { cwd: `${link}/deep/er` }, 'create');
  await okAs(stack, { cwd: folder, flags: ['-p', stack.name] }, 'create');
  const points = await list();
  expect(points).toHaveLength(before.length + 2);
  const files = await filesOf(stack.path('real'));
  const stored = points.filter(({ id }) => `app/rollback/backups/${id}/point.json` in files);
  expect(stored).toEqual(points);
});
