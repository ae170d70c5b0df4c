import { text as textOf } from 'node:stream/consumers';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import type { Handler } from '../../src/handlers/handler.js';
import { HandlerRegistry } from '../../src/handlers/registry.js';
import type { Verdict } from '../../src/model/verdict.js';
import { connectTestEngine, docker } from '../support/engine.js';
import { eventually, startStack, type ContextOptions, type TestStack } from '../support/handlers.js';

const COMPOSE = `
services:
  db: &db
    image: postgres:15-alpine
    environment: { POSTGRES_USER: shop, POSTGRES_PASSWORD: s3cret-of-shop, POSTGRES_DB: orders }
  new:
    <<: *db
    volumes: ['./fill.sh:/docker-entrypoint-initdb.d/fill.sh:ro']
    profiles: [new]
  clientless:
    image: redis:7-alpine
  down:
    image: postgres:15-alpine
    entrypoint: ['sleep', '600']
`;

let engine: Engine;
let stack: TestStack;
let postgres: Handler;

beforeAll(async () => {
  engine = await connectTestEngine();
  postgres = new HandlerRegistry().get('postgres');
  stack = await startStack(engine, 'h-postgres', COMPOSE, { 'fill.sh': 'sleep 2\n' });
  // Over TCP: while it makes its cluster the server answers on its socket only.
  const accepts = () => inside('pg_isready', '--host=127.0.0.1');
  await eventually(async () => (await accepts()).includes('accepting'), 'the server is there');
});

async function prepare(service: string, options?: ContextOptions): Promise<Verdict | undefined> {
  return await postgres.prepare?.(stack.context(service, options));
}

async function inside(...argv: string[]): Promise<string> {
  const { id } = await stack.container('db');
  return (await engine.exec(id, argv)).stdout;
}

const sql = async (command: string) =>
  inside('psql', '--username=shop', '--dbname=orders', '--tuples-only', '--no-align', `--command=${command}`);

async function anew(table: string, query: string): Promise<void> {
  await sql(`DROP TABLE IF EXISTS ${table}`);
  await sql(`CREATE TABLE ${table} AS ${query}`);
}

/** Where the last checkpoint is, read from the control file on disk. */
async function checkpointOnDisk(): Promise<string> {
  const text = await inside('pg_controldata', '/var/lib/postgresql/data');
  return /Latest checkpoint location:\s+(\S+)/.exec(text)?.[1] ?? 'missing';
}

describe('verify', () => {
  // The cluster is still being made and filled, by a server that answers on its socket.
  test('waits for a server that starts for the first time', async () => {
    await stack.project.compose('up', '-d', '--force-recreate', '--renew-anon-volumes', 'new');
    const verdict = await postgres.verify(stack.context('new'));
    expect(verdict).toEqual({ status: 'pass', reason: 'pg_isready: accepting connections' });
    const { id } = await stack.container('new');
    expect(await engine.logs(id, 200)).toContain('PostgreSQL init process complete');
  });

  test('fails when nobody answers', async () => {
    const verdict = await postgres.verify(stack.context('down', { config: { health_timeout: 1 } }));
    expect(verdict.status).toBe('fail');
    expect(verdict.reason).toMatch(/^pg_isready: no response for /);
  });

  test('cannot tell without pg_isready', async () => {
    expect(await postgres.verify(stack.context('clientless'))).toEqual({
      status: 'inconclusive',
      reason: 'there is no pg_isready in the container: configure a probe',
    });
  });
});

describe('dump', () => {
  const dumped = async (service: string) => {
    const text = await postgres.dump?.(stack.context(service));
    return text && (await textOf(text));
  };

  test('is all there is, as SQL', async () => {
    await anew('dumped', "SELECT 'value ' || n AS v FROM generate_series(1, 100) AS n");
    const text = await dumped('db');
    for (const words of [
      'CREATE ROLE shop',
      'CREATE DATABASE orders',
      'CREATE TABLE public.dumped',
      'value 100',
    ]) {
      expect(text).toContain(words);
    }
    expect(text).toContain('PostgreSQL database cluster dump complete');
  });

  test('fails when the server does not answer, or there is no program for it', async () => {
    await expect(dumped('down')).rejects.toMatchObject({ code: 'failed', message: /pg_dumpall/ });
    await expect(dumped('clientless')).rejects.toMatchObject({ code: 'failed', message: /pg_dumpall/ });
  });
});

describe('prepare', () => {
  test('makes a checkpoint: the control file on disk points to a newer one', async () => {
    await anew('proof', 'SELECT generate_series(1, 1000)');
    const before = await checkpointOnDisk();
    expect(await prepare('db')).toEqual({ status: 'pass', reason: 'checkpoint done' });
    expect(await checkpointOnDisk()).not.toBe(before);
  });

  test('the password is used where the socket asks for one', async () => {
    const { id } = await stack.container('db');
    const setLocalAuth = async (method: string) => {
      const hba = '/var/lib/postgresql/data/pg_hba.conf';
      const argv = ['sed', '-i', `s/^local .*/local all all ${method}/`, hba];
      await engine.exec(id, argv, { user: 'postgres' });
      await engine.signal(id, 'SIGHUP');
    };
    await setLocalAuth('scram-sha-256');
    try {
      await eventually(async () => (await sql('SELECT 1')) === '', 'the socket asks for a password');
      expect((await prepare('db'))?.status).toBe('pass');
    } finally {
      await setLocalAuth('trust');
      await eventually(async () => (await sql('SELECT 1')).trim() === '1', 'the socket is open again');
    }
  });

  test('cannot tell when its account may not make one', async () => {
    await sql('DROP ROLE IF EXISTS spare');
    await sql('CREATE ROLE spare SUPERUSER LOGIN');
    await sql('ALTER ROLE shop NOSUPERUSER');
    try {
      const verdict = await prepare('db');
      expect(verdict?.status).toBe('inconclusive');
      expect(verdict?.reason).toMatch(/shop may not do it; grant it pg_checkpoint/);
    } finally {
      await inside('psql', '--username=spare', '--dbname=orders', '--command=ALTER ROLE shop SUPERUSER');
    }
  });

  test('fails with the server’s words when the disk refuses', async () => {
    await anew('torn', 'SELECT generate_series(1, 1000)');
    const path = (await sql("SELECT pg_relation_filepath('torn')")).trim();
    const { id } = await stack.container('db');
    const file = `/var/lib/postgresql/data/${path}`;
    await docker('exec', id, 'mv', file, `${file}.away`);
    await docker('exec', id, 'mkdir', file);
    try {
      // A server process has the file open; the checkpointer opens it by name.
      const verdict = await prepare('db');
      expect(verdict?.status).toBe('fail');
      expect(verdict?.reason).toMatch(/^CHECKPOINT failed: ERROR: .*checkpoint request failed/);
    } finally {
      await docker('exec', id, 'rmdir', file);
      await docker('exec', id, 'mv', `${file}.away`, file);
    }
    expect((await prepare('db'))?.status).toBe('pass');
  });

  test('a server that is down, or has no client, never blocks', async () => {
    const down = await prepare('down', { config: { health_timeout: 1 } });
    expect(down?.status).toBe('inconclusive');
    expect(down?.reason).toMatch(/^no checkpoint: .*No such file or directory/);
    expect((await prepare('clientless'))?.reason).toBe('no checkpoint: there is no psql in the container');
    expect((await prepare('nowhere'))?.reason).toBe('nowhere is not running: no checkpoint');
  });
});
