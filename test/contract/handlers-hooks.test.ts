import { access, readFile } from 'node:fs/promises';
import { beforeEach, expect, test } from 'vitest';
import type { HandlerContext } from '../../src/handlers/handler.js';
import { runHook } from '../../src/handlers/hooks.js';
import { hookSchema, serviceConfigSchema } from '../../src/model/config.js';
import type { Verdict } from '../../src/model/verdict.js';
import { makeFolder, type Folder } from '../support/folder.js';
import { unreachableEngine } from '../support/nobody.js';

/** Hooks that run on this machine. Those in a container: test/conformance/handlers-hooks.test.ts. */

let folder: Folder;

beforeEach(async () => {
  folder = await makeFolder();
});

async function run(hook: object, signal = new AbortController().signal): Promise<Verdict> {
  const context: HandlerContext = {
    service: 'plain',
    engine: await unreachableEngine(),
    local: true,
    containers: () => Promise.resolve([]),
    sibling: () => context,
    model: undefined,
    config: serviceConfigSchema.parse({}),
    signal,
    report: () => undefined,
  };
  return await runHook(hookSchema.parse(hook), context, folder.path);
}

test('the project directory is where it runs', async () => {
  expect((await run({ run: ['sh', '-c', 'pwd > where'] })).status).toBe('pass');
  const where = await readFile(folder.at('where'), 'utf8');
  expect(where.trim()).toBe(folder.path);
});

test('arguments reach no shell', async () => {
  expect((await run({ run: ['touch', 'a; touch b'] })).status).toBe('pass');
  await access(folder.at('a; touch b'));
  await expect(access(folder.at('b'))).rejects.toThrow('ENOENT');
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
  const running = run({ run: ['sh', '-c', 'echo $$ > aborted; exec sleep 300'] }, abort.signal);
  await expect.poll(() => childPid('aborted'), { timeout: 30_000 }).toBeGreaterThan(0);
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

/** The number in a file that a hook writes; 0 until it has. */
async function childPid(file: string): Promise<number> {
  try {
    return Number(await readFile(folder.at(file), 'utf8'));
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
