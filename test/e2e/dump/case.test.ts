import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { aStack, cli, docker, json, ok, until, type Stack } from '../../support/e2e.js';

/** A database that is asked to writes its data out as SQL, beside the files of its volume; another server reads it. */

let stack: Stack;
let point = '';

const SETTINGS = 'services:\n  db: { dump: true }\n';

beforeAll(async () => {
  const database =
    'image: postgres:15-alpine, environment: { POSTGRES_USER: shop, POSTGRES_PASSWORD: secret }';
  stack = await aStack('e2e-dump', (name) => ({
    'compose.yaml': `
name: ${name}
services:
  db: { ${database}, volumes: ['data:/var/lib/postgresql/data'] }
  other: { ${database} }
  cache: { image: redis:7-alpine }
volumes:
  data:
`,
    'rollback.yaml': SETTINGS,
  }));
  await stack.compose('up', '-d');
  await Promise.all(['db', 'other'].map(answers));
  await query(
    'db',
    "CREATE TABLE orders AS SELECT n, 'order €' || n AS what FROM generate_series(1, 1000) AS n",
  );
  point = (await ok(stack, 'create', '--quiet', '--include-volumes')).stdout;
});

beforeEach(async () => {
  await stack.write({ 'rollback.yaml': SETTINGS });
});

/** Over TCP: while it makes its cluster the server answers on its socket only. */
const query = (service: string, sql: string) =>
  stack.compose('exec', '-T', '-e', 'PGPASSWORD=secret', service, 'psql', ...psql, '-tAc', sql);
const answers = (service: string) =>
  until(async () => (await query(service, 'SELECT 1').catch(() => '')) === '1', `${service} answers`);
const psql = ['--host=127.0.0.1', '--username=shop', '--dbname=shop'];

test('another server has the same data from it', async () => {
  const dump = { service: 'db', stored: 'dumps/db.sql.zst', compression: 'zstd' };
  expect(await json(stack, 'show', point)).toMatchObject({ dumps: [dump] });
  const file = join(stack.path('rollback/backups'), point, 'dumps/db.sql.zst');
  const { stdout: sql } = await execa('zstd', ['-dc', file]);
  const [other] = await stack.ids('other');
  await query('other', 'DROP TABLE IF EXISTS orders');
  await execa('docker', ['exec', '-i', other ?? '', 'psql', '--username=shop', '--dbname=shop'], {
    input: sql,
  });
  const sum = "SELECT count(*) || md5(string_agg(what, ',' ORDER BY n)) FROM orders";
  expect(await query('other', sum)).toBe(await query('db', sum));
  expect(await query('other', 'SELECT count(*) FROM orders')).toBe('1000');
});

test('it is shown, travels with the point, and damage to it is found', async () => {
  expect((await ok(stack, 'show', point)).stdout).toMatch(/^ +Dumps: +db$/m);
  const archive = stack.path('../dump.tar');
  await ok(stack, 'export', point, '--output', `${archive}-${stack.name}`);
  const { stdout } = await execa('tar', ['-tf', `${archive}-${stack.name}`]);
  expect(stdout).toContain('dumps/db.sql.zst');
  await execa('rm', [`${archive}-${stack.name}`]);

  const file = join(stack.path('rollback/backups'), point, 'dumps/db.sql.zst');
  const bytes = await readFile(file);
  onTestFinished(() => writeFile(file, bytes));
  await execa('truncate', ['--size', `${bytes.length - 1}`, file]);
  const { exitCode, stdout: told } = await cli(stack, 'verify', point);
  expect([exitCode, told]).toEqual([1, expect.stringContaining('dumps/db.sql.zst')]);
});

test('nothing is stored when it cannot be made', async () => {
  await stack.write({ 'rollback.yaml': 'services:\n  cache: { dump: true }\n' });
  const before = await json(stack, 'list');
  const refused = await cli(stack, 'create', '--include-volumes');
  expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('cache cannot be dumped')]);

  await stack.write({ 'rollback.yaml': SETTINGS });
  const [db] = await stack.ids('db');
  const move = (from: string, to: string) =>
    docker('exec', db ?? '', 'sh', '-c', `cd /usr/local/bin && [ ! -e ${from} ] || mv ${from} ${to}`);
  onTestFinished(async () => {
    await stack.compose('up', '-d');
    await move('away', 'pg_dumpall');
    await answers('db');
  });
  await move('pg_dumpall', 'away');
  const failed = await cli(stack, 'create', '--include-volumes');
  expect([failed.exitCode, failed.stderr]).toEqual([1, expect.stringContaining('pg_dumpall')]);
  expect(await json(stack, 'list')).toEqual(before);
  await move('away', 'pg_dumpall');

  await stack.compose('stop', 'db');
  const stopped = await ok(stack, 'create', '--include-volumes');
  expect(stopped.stderr).toContain('there is no dump of db: it does not run');
});
