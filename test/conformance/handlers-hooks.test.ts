import { beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { runHook } from '../../src/handlers/hooks.js';
import { hookSchema } from '../../src/model/config.js';
import type { Verdict } from '../../src/model/verdict.js';
import { connectTestEngine } from '../support/engine.js';
import { startStack, type TestStack } from '../support/handlers.js';

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

async function run(hook: object, service = 'plain'): Promise<Verdict> {
  return await runHook(hookSchema.parse(hook), stack.context(service), stack.project.directory);
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
    await run({ exec: ['rm', '-rf', '/tmp/once'] });
    const exec = ['sh', '-c', 'mkdir /tmp/once && exit 1; exit 0'];
    expect((await run({ exec, retries: 1, interval: '10ms' })).status).toBe('pass');
  });
});
