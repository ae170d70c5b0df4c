import { access, readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { runHook } from '../../src/handlers/hooks.js';
import { hookSchema } from '../../src/model/config.js';
import type { Verdict } from '../../src/model/verdict.js';
import { connectTestEngine } from '../support/engine.js';
import { eventually, startStack, type ContextOptions, type TestStack } from '../support/handlers.js';

const COMPOSE = `
services:
  plain:
    image: busybox:latest
    init: true
    command: sleep 600
`;

let engine: Engine;
let stack: TestStack;

beforeAll(async () => {
  engine = await connectTestEngine();
  stack = await startStack(engine, 'h-hooks', COMPOSE);
});

async function run(hook: object, service = 'plain', options: ContextOptions = {}): Promise<Verdict> {
  return await runHook(hookSchema.parse(hook), stack.context(service, options), stack.project.directory);
}

describe('inside the container', () => {
  test('the first running one is taken', async () => {
    expect(await run({ exec: ['touch', '/tmp/hooked'] })).toEqual({
      status: 'pass',
      reason: 'hook "touch" done',
    });
    const { id } = await stack.container('plain');
    expect((await engine.exec(id, ['test', '-e', '/tmp/hooked'])).exitCode).toBe(0);
  });

  test('a failure stops, or is only told about', async () => {
    const exec = ['sh', '-c', 'echo first; echo last >&2; exit 2'];
    const reason = 'hook "sh" exited with code 2: first | last';
    expect(await run({ exec })).toEqual({ status: 'fail', reason });
    expect(await run({ exec, on_failure: 'continue' })).toEqual({ status: 'inconclusive', reason });
    expect((await run({ exec: ['no-such-program'] })).reason).toContain('no such program in the container');
    expect((await run({ exec: ['true'] }, 'nowhere')).reason).toContain('nowhere has no running container');
  });

  test('it is cut off, and tried again', async () => {
    const late = await run({ exec: ['sleep', '20'], timeout: '300ms' });
    expect(late.status).toBe('fail');
    expect(late.reason).toContain('took longer than 0.3 s');
    const exec = ['sh', '-c', 'mkdir /tmp/once && exit 1; exit 0'];
    expect((await run({ exec, retries: 1, interval: '10ms' })).status).toBe('pass');
  });
});

describe('on this machine', () => {
  test('the project directory is where it runs', async () => {
    expect((await run({ run: ['sh', '-c', 'pwd > where'] })).status).toBe('pass');
    const where = await readFile(stack.project.path('where'), 'utf8');
    expect(where.trim()).toBe(stack.project.directory);
  });

  test('arguments reach no shell', async () => {
    expect((await run({ run: ['touch', 'a; touch b'] })).status).toBe('pass');
    await access(stack.project.path('a; touch b'));
    await expect(access(stack.project.path('b'))).rejects.toThrow('ENOENT');
  });

  test('a failure tells its last lines, and neither its arguments nor the rest', async () => {
    const script = 'for i in 1 2 3 4 5 6; do echo line $i; done; exit 3';
    const reason = 'hook "sh" exited with code 3: line 2 | line 3 | line 4 | line 5 | line 6';
    expect(await run({ run: ['sh', '-c', script, 's3cret'] })).toEqual({ status: 'fail', reason });
    expect(await run({ run: ['sh', '-c', script], on_failure: 'continue' })).toEqual({
      status: 'inconclusive',
      reason,
    });
  });

  test('a program that is not there, or is killed', async () => {
    expect(await run({ run: ['no-such-program'] })).toEqual({
      status: 'fail',
      reason: 'hook "no-such-program" could not be started (ENOENT)',
    });
    expect((await run({ run: ['sh', '-c', 'kill -9 $$'] })).reason).toBe('hook "sh" was ended by SIGKILL');
  });

  test('what takes too long ends with all that it started', async () => {
    const script = 'sleep 300 & echo $! > child; echo waiting; wait';
    expect(await run({ run: ['sh', '-c', script], timeout: '500ms' })).toEqual({
      status: 'fail',
      reason: 'hook "sh" took longer than 0.5 s: waiting',
    });
    expect(await isAlive(await childPid('child'))).toBe(false);
  });

  test('what ignores being asked is ended', async () => {
    const script = 'trap "" TERM; echo $$ > stubborn; while :; do sleep 0.1; done';
    expect((await run({ run: ['sh', '-c', script], timeout: '300ms' })).status).toBe('fail');
    expect(await isAlive(await childPid('stubborn'))).toBe(false);
  });

  test('an abort ends it with the reason of the abort', async () => {
    const abort = new AbortController();
    const running = run({ run: ['sh', '-c', 'echo $$ > aborted; exec sleep 300'] }, 'plain', {
      signal: abort.signal,
    });
    await eventually(async () => (await childPid('aborted')) > 0, 'it runs');
    abort.abort(new Error('the user said stop'));
    await expect(running).rejects.toThrow('the user said stop');
    expect(await isAlive(await childPid('aborted'))).toBe(false);
  });

  test('it is tried again', async () => {
    const script = 'echo x >> tries; [ $(wc -l < tries) -ge 3 ]';
    const hook = { run: ['sh', '-c', script], retries: 1, interval: '10ms' };
    expect((await run(hook)).status).toBe('fail');
    expect((await run(hook)).status).toBe('pass');
  });
});

/** The number in a file that a hook writes; 0 until it has. */
async function childPid(file: string): Promise<number> {
  try {
    return Number(await readFile(stack.project.path(file), 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
    throw error;
  }
}

/** A zombie counts as ended: nobody reaps an orphan in a container without init. */
async function isAlive(pid: number): Promise<boolean> {
  try {
    return !/^State:\s+[ZX]/m.test(await readFile(`/proc/${pid}/status`, 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
      return false;
    throw error;
  }
}
