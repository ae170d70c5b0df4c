import { chmod, rm, symlink } from 'node:fs/promises';
import { beforeEach, expect, test } from 'vitest';
import { aStack, containersOf, create, ok, snapshot, type Snapshot, type Stack } from '../../support/e2e.js';

/** Everything that compose reads was changed in every way there is; the rollback takes it all back, undo brings it all again. */

let stack: Stack;
let before: Snapshot;
let after: Snapshot;

const IDLE = `image: busybox:latest\n    command: [sleep, infinity]\n    stop_signal: SIGKILL`;

const compose = (name: string, api: string) => `
name: ${name}
services:
  api:
    ${IDLE}
    environment: { GREETING: '\${GREETING}' }
    ${api}
  other:
    ${IDLE}
    volumes: ['./current.conf:/etc/other.conf:ro']
`;

const EXTRA = `services:\n  extra:\n    ${IDLE}\n`;

beforeEach(async () => {
  stack = await aStack('e2e-config', (name) => ({
    'compose.yaml': compose(name, 'env_file: [settings/api.env]'),
    'settings/api.env': 'COLOUR=blue\n',
    'conf/one.conf': 'one\n',
    'conf/two.conf': 'two\n',
    'README.md': 'Not read by compose.\n',
  }));
  await stack.write({ '.env': 'GREETING=hello\n' }, 0o600);
  await symlink('conf/one.conf', stack.path('current.conf'));
  await stack.compose('up', '-d');
  before = await snapshot(stack);
  await create(stack, 'as it was');

  await stack.write({
    'compose.yaml': compose(stack.name, 'hostname: changed'),
    'compose.override.yaml': EXTRA,
    'README.md': 'Changed, and none of our business.\n',
    'notes.txt': 'New, and none of our business.\n',
  });
  await stack.write({ '.env': 'GREETING=goodbye\n' }, 0o640);
  await chmod(stack.path('conf/one.conf'), 0o600);
  await rm(stack.path('settings/api.env'));
  await rm(stack.path('current.conf'));
  await symlink('conf/two.conf', stack.path('current.conf'));
  await stack.compose('up', '-d');
  after = await snapshot(stack);
});

/** Files that no point knows: they stay as they are, whatever is rolled back. */
function foreign({ files }: Snapshot): Record<string, string | undefined> {
  return { 'README.md': files['README.md'], 'notes.txt': files['notes.txt'] };
}

async function states(): Promise<Record<string, string>> {
  const containers = Object.values(await containersOf(stack));
  return Object.fromEntries(containers.map(({ service, state }) => [service, state]));
}

async function environment(): Promise<string> {
  return stack.compose('exec', '-T', 'api', 'sh', '-c', 'echo $GREETING $COLOUR');
}

test('the rollback undoes all of it, byte for byte and mode for mode, and undo brings it back; then compose finds nothing left to do', async () => {
  await ok(stack, 'rollback', 'latest', '--yes');
  expect((await snapshot(stack)).files).toEqual({ ...before.files, ...foreign(after), ...backupFolder() });
  expect(await states()).toEqual({ api: 'running', other: 'running' });
  expect(await environment()).toBe('hello blue');
  expect(await stack.compose('exec', '-T', 'other', 'cat', '/etc/other.conf')).toBe('one');

  await ok(stack, 'undo', '--yes');
  expect((await snapshot(stack)).files).toEqual({ ...after.files, ...backupFolder() });
  expect(await states()).toEqual({ api: 'running', other: 'running', extra: 'running' });
  expect(await environment()).toBe('goodbye');
  expect(await stack.compose('exec', '-T', 'other', 'cat', '/etc/other.conf')).toBe('two');

  const settled = await containersOf(stack);
  await stack.compose('up', '-d');
  expect(await containersOf(stack)).toEqual(settled);
});

function backupFolder(): Record<string, string> {
  return { rollback: 'directory 755', 'rollback/backups': 'directory 700' };
}
