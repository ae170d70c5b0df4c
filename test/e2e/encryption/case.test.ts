import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import {
  cli,
  cliWith,
  docker,
  filesOf,
  json,
  ok,
  create,
  aStack,
  type CliResult,
  type Stack,
} from '../../support/e2e.js';
import { begin } from '../../support/processes.js';
import { composeAs, containerOf, SLEEPER, stateOf } from '../../support/round-trip.js';
import { traces, userKey, type UserKey } from '../../support/sealing.js';
import { temporaryDirectory } from '../../support/store.js';
import { leavesAllAsItWas, leavesOnlyATrace } from '../../support/untouched.js';

/** Points that are encrypted: all goes on without the key but what needs to know what is inside. */

const composeFile = (name: string) => `
name: ${name}
services:
  web:
    image: busybox:latest
    command: [sleep, infinity]
    stop_signal: SIGKILL
    env_file: [.env]
    environment:
      LEAKED: \${COMPOSE_ROLLBACK_PASSPHRASE:-no}
  idle: { ${SLEEPER} }
`;

const PASSPHRASE = 'correct-horse-battery';
const OLD = 'PASSWORD=the-first-secret\n';
const NOW = 'PASSWORD=the-second-secret\n';
const SECRETS = [OLD, NOW, 'the-first-secret', 'the-second-secret', PASSPHRASE];
/** Tells what a hook is given, and holds the rollback up for as long as \`hold\` is there. */
const HOOK = `services:
  web:
    before_rollback:
      - run: [sh, -c, 'env > $COMPOSE_ROLLBACK_LOCK_DIR/seen; ! [ -e fail ]']
    after_rollback:
      - run: [sh, -c, 'while [ -e hold ]; do sleep 0.1; done']
`;

let stack: Stack;
let user: UserKey;
let other: UserKey;
/** Pinned, named "first", with OLD. */
let first: string;
/** What the settings say. */
const configure = (lines: string) => stack.write({ 'rollback.yaml': `${lines}\n${HOOK}` });
const as = (env: Record<string, string>, ...argv: string[]) => cliWith(stack, { env }, ...argv);
const withKey = (...argv: string[]) => as({}, '--identity', user.file, ...argv);
const backups = () => stack.path('rollback/backups');

beforeAll(async () => {
  stack = await aStack('e2e-sealed', (name) => ({ 'compose.yaml': composeFile(name), '.env': OLD }));
  [user, other] = [await userKey(stack.locks), await userKey(stack.locks)];
  await configure(toUser());
  await up();
  first = await create(stack, 'Before the change', '--name', 'first', '--pin');
});

beforeEach(async () => {
  for (const flag of ['fail', 'hold']) await rm(stack.path(flag), { force: true });
  await configure(toUser());
  await become(NOW);
});

const toUser = () => `encryption: { recipients: [${user.recipient}] }`;

const up = () => composeAs(stack, {}, 'up', '--detach');

async function become(text: string): Promise<void> {
  await stack.write({ '.env': text });
  await up();
}

async function runsWith(text: string): Promise<void> {
  expect(await readFile(stack.path('.env'), 'utf8')).toBe(text);
  const { id } = await containerOf(stack, 'web');
  const env = await docker('inspect', '--format', '{{join .Config.Env "\\n"}}', id);
  expect(env).toContain(text.trim());
  expect(env).toContain('LEAKED=no');
}

function refused({ exitCode, stdout, stderr }: CliResult): void {
  expect([exitCode, stdout, stderr]).toEqual([12, '', expect.stringContaining('--identity FILE')]);
}

test('a point is made, listed, pinned and checked without the key', async () => {
  const folder = `rollback/${randomBytes(4).toString('hex')}`;
  await configure(`${toUser()}\nbackup_dir: ${folder}`);
  const point = await create(stack, 'Before the change', '--name', 'first');
  const { stdout } = await ok(stack, 'list');
  expect(stdout).toContain('Before the change');
  expect(await json(stack, 'list')).toMatchObject({
    points: [{ id: point, sealed: true, config_hashes: {} }],
  });
  await ok(stack, 'pin', 'first');
  expect((await ok(stack, 'verify')).stdout).toMatch(/what is inside was not checked/);
  expect(await json(stack, 'verify')).toMatchObject({ points: [{ sound: true, ciphertext_only: true }] });
  expect((await withKey('verify')).stdout).toMatch(/files as recorded/);
  await ok(stack, 'reindex');
  expect(await json(stack, 'list')).toMatchObject({ points: [{ id: point, pinned: true, sealed: true }] });
  const status = await json(stack, 'status');
  expect(status).toMatchObject({ changes: [], warnings: [expect.stringContaining('is encrypted')] });
  expect(await traces(stack.path(folder), SECRETS)).toEqual([]);
});

test('without the key, or with another, nothing that needs it is begun', async () => {
  const passphraseFile = join(await temporaryDirectory(), 'wrong');
  await writeFile(passphraseFile, 'guess\n');
  for (const argv of [
    ['show', 'first'],
    ['diff', 'first'],
    ['rollback', 'first', '--dry-run'],
  ]) {
    refused(await leavesAllAsItWas(stack, () => as({}, ...argv)));
  }
  const attempts: [Record<string, string>, string[]][] = [
    [{}, ['rollback', 'first']],
    [{ COMPOSE_ROLLBACK_IDENTITY: other.file }, ['rollback-service', 'web']],
    [{ COMPOSE_ROLLBACK_PASSPHRASE_FILE: passphraseFile }, ['rollback', 'first']],
  ];
  for (const [env, argv] of attempts) {
    refused(await leavesOnlyATrace(stack, () => as(env, ...argv, '--yes')));
  }
  await runsWith(NOW);
});

test('with the key the state comes back, and undo takes it away again; both stay secret', async () => {
  const before = await stateOf(stack);
  const rollback = await withKey('rollback', 'first', '--yes');
  expect(rollback).toMatchObject({ exitCode: 0 });
  await runsWith(OLD);
  expect(await traces(backups(), SECRETS)).toEqual([]);
  refused(await leavesOnlyATrace(stack, () => as({}, 'undo', '--yes')));
  expect(await as({ COMPOSE_ROLLBACK_IDENTITY: user.file }, 'undo', '--yes')).toMatchObject({ exitCode: 0 });
  expect(await stateOf(stack)).toEqual(before);
  await runsWith(NOW);
  expect(await traces(backups(), SECRETS)).toEqual([]);
  expect((await withKey('verify', '--all')).exitCode).toBe(0);
});

test('a rollback that fails is taken back', async () => {
  const before = await stateOf(stack);
  await writeFile(stack.path('fail'), '');
  expect(await withKey('rollback', 'first', '--yes')).toMatchObject({ exitCode: 20 });
  await rm(stack.path('fail'));
  expect(await stateOf(stack)).toEqual(before);
  expect(await traces(backups(), SECRETS)).toEqual([]);
});

test('a run that was killed is taken back without the key', async () => {
  const before = await stateOf(stack);
  onTestFinished(async () => void (await cli(stack, 'abort')));
  await writeFile(stack.path('hold'), '');
  const run = begin(stack, 'rollback', 'first', '--yes', '--identity', user.file);
  await run.says('Running hook after rollback of web');
  run.signal('SIGKILL');
  await run.ended;
  await rm(stack.path('hold'));
  // What lies in the project anyway lies here too, for as long as it is needed.
  expect(await traces(backups(), SECRETS)).not.toEqual([]);
  await ok(stack, 'abort');
  expect(await stateOf(stack)).toEqual(before);
  expect(await traces(backups(), SECRETS)).toEqual([]);
});

test('a damaged file is found with the key and without, and stands in the way', async () => {
  const file = join(backups(), first, 'configs/.env.age');
  const bytes = await readFile(file);
  onTestFinished(() => writeFile(file, bytes));
  const changed = Buffer.from(bytes);
  changed[changed.length - 3] = (changed.at(-3) ?? 0) ^ 1;
  await writeFile(file, changed);
  for (const result of [await as({}, 'verify', 'first'), await withKey('verify', 'first')]) {
    expect(result).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('configs/.env.age') });
  }
  expect(await leavesOnlyATrace(stack, () => withKey('rollback', 'first', '--yes'))).toMatchObject({
    exitCode: 3,
  });
});

test(
  'a passphrase, from a file or the environment, that no child ever sees',
  { timeout: 120_000 },
  async () => {
    await configure('encryption: { passphrase: true }\nbackup_dir: rollback/other');
    refused(await as({}, 'create', '--quiet'));
    const env = { COMPOSE_ROLLBACK_PASSPHRASE: PASSPHRASE };
    await become(OLD);
    const made = await as(env, 'create', '--quiet');
    expect(made.exitCode).toBe(0);
    await become(NOW);
    expect(await create(stack, 'a second one, without it')).toMatch(/^rb-/);
    refused(await as({ COMPOSE_ROLLBACK_PASSPHRASE: 'guess' }, 'rollback', made.stdout, '--yes'));
    const file = join(await temporaryDirectory(), 'passphrase');
    await writeFile(file, `${PASSPHRASE}\n`);
    const back = await as({ COMPOSE_ROLLBACK_PASSPHRASE_FILE: file }, 'rollback', made.stdout, '--yes');
    expect(back).toMatchObject({ exitCode: 0 });
    await runsWith(OLD);
    expect(await readFile(join(stack.locks, 'seen'), 'utf8')).not.toMatch(/PASSPHRASE|IDENTITY/);
    expect(await traces(stack.path('rollback/other'), SECRETS)).toEqual([]);
    for (const { stdout, stderr } of [made, back]) {
      for (const secret of SECRETS) expect(stdout + stderr).not.toContain(secret.trim());
    }
  },
);

test('what was recorded before stays as it is; going back to it needs no key', async () => {
  await configure('backup_dir: rollback/third');
  const plain = await create(stack, 'not encrypted');
  const before = await filesOf(stack.path(`rollback/third/${plain}`));
  await configure(`${toUser()}\nbackup_dir: rollback/third`);
  await become(OLD);
  await ok(stack, 'rollback', plain, '--yes');
  await runsWith(NOW);
  expect(await filesOf(stack.path(`rollback/third/${plain}`))).toEqual(before);
  expect(await traces(stack.path('rollback/third'), ['the-first-secret', OLD])).toEqual([]);
});

test('points are deleted without the key, with the tags they keep', async () => {
  const point = await create(stack, 'to be deleted', '--pin');
  await ok(stack, 'delete', point, '--force', '--yes');
  const tags = await docker('image', 'ls', '--format', '{{.Tag}}', 'compose-rollback/kept');
  expect(tags).not.toContain(point);
  await ok(stack, 'cleanup', '--keep-last', '0', '--yes');
});
