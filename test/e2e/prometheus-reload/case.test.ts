import { rename, writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import {
  answer,
  aStack,
  containersOf,
  create,
  docker,
  filesOf,
  freePort,
  ok,
  until,
  type Stack,
} from '../../support/e2e.js';

/** Prometheus' only file, bind-mounted by itself, is changed and read; the rollback takes it back. */

const FILE = 'prometheus.yml';

function config(team: string): string {
  return `global:\n  scrape_interval: 60s\n  external_labels:\n    team: ${team}\n`;
}

interface Running {
  stack: Stack;
  port: number;
}

async function start(): Promise<Running> {
  const port = await freePort();
  const stack = await aStack('e2e-reload', (name) => ({
    'compose.yaml': `
name: ${name}
services:
  prometheus:
    image: prom/prometheus:latest
    ports: ['127.0.0.1:${port}:9090']
    volumes: ['./${FILE}:/etc/prometheus/prometheus.yml:ro']
`,
    [FILE]: config('old'),
  }));
  await stack.compose('up', '-d');
  await serves(port, 'old');
  await create(stack, 'the old file');
  return { stack, port };
}

/** Prometheus itself shows this configuration, and no other. */
async function serves(port: number, team: string): Promise<void> {
  const shown = async () => (await answer(port, '/api/v1/status/config')) ?? '';
  await until(async () => (await shown()).includes(`team: ${team}`), `it serves the ${team} file`);
}

async function hup({ stack }: Running): Promise<void> {
  const [id = ''] = await stack.ids('prometheus');
  await docker('kill', '--signal', 'HUP', id);
}

async function file({ stack }: Running): Promise<string | undefined> {
  return (await filesOf(stack.directory))[FILE];
}

describe('a file that was rewritten in place', () => {
  test('by rollback, undo, and undo of the undo the same process reads the other file', async () => {
    const running = await start();
    await writeFile(running.stack.path(FILE), config('new'));
    await hup(running);
    await serves(running.port, 'new');
    const before = await containersOf(running.stack);
    for (const [argv, team] of [
      [['rollback', 'latest', '--yes'], 'old'],
      [['undo', '--yes'], 'new'],
      [['undo', '--yes'], 'old'],
    ] as const) {
      await ok(running.stack, ...argv);
      await serves(running.port, team);
      expect(await file(running)).toBe(`file 644 ${config(team)}`);
      expect(await containersOf(running.stack)).toEqual(before);
    }
  });
});

describe('a file that was replaced, as sed -i and most editors do', () => {
  test('by rollback and undo the container sees the other file', async () => {
    const running = await start();
    await writeFile(running.stack.path('new.yml'), config('new'));
    await rename(running.stack.path('new.yml'), running.stack.path(FILE));
    // The container holds on to the old file until it is started again.
    await running.stack.compose('restart', '--timeout', '5', 'prometheus');
    await serves(running.port, 'new');
    const before = await running.stack.ids('prometheus');
    for (const [argv, team] of [
      [['rollback', 'latest', '--yes'], 'old'],
      [['undo', '--yes'], 'new'],
    ] as const) {
      await ok(running.stack, ...argv);
      await serves(running.port, team);
      expect(await file(running)).toBe(`file 644 ${config(team)}`);
      expect(await running.stack.ids('prometheus')).toEqual(before);
    }
  });
});

describe('a file that was replaced and never read', () => {
  test('the container, which still sees the old file, goes on with it', async () => {
    const running = await start();
    await writeFile(running.stack.path('new.yml'), config('new'));
    await rename(running.stack.path('new.yml'), running.stack.path(FILE));
    await hup(running);
    const before = await containersOf(running.stack);
    await ok(running.stack, 'rollback', 'latest', '--yes');
    await serves(running.port, 'old');
    expect(await file(running)).toBe(`file 644 ${config('old')}`);
    expect(await containersOf(running.stack)).toEqual(before);
  });
});
