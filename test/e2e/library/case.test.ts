import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { execa } from 'execa';
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type * as Library from '../../../src/index.js';
import { answer, aStack, buildApi, docker, freePort, until, type Stack } from '../../support/e2e.js';
import { containerOf, starts, stateOf, type State } from '../../support/round-trip.js';
import { leavesAllAsItWas } from '../../support/untouched.js';

/** The package as those who import it use it: what is built, not what is in src. */

const PACKAGE = fileURLToPath(new URL('../../..', import.meta.url));
const library: typeof Library = await import(`${PACKAGE}/dist/index.js`);
const { getServiceRollback, pass, fail, inconclusive, RollbackManager } = library;

/** The reference's example, in this language. */
const EXAMPLE = `
import { RollbackManager } from 'compose-rollback';

const manager = new RollbackManager({ backupDir: 'rollback/backups', maxRollbackPoints: 10, projectRoot: process.argv[2] });
const point = await manager.createRollbackPoint({ description: 'Before critical update', services: ['api', 'redis'] });
for (const { id, description } of await manager.listRollbackPoints()) console.log(id, description);
const { result } = await manager.rollback(point.id, { dryRun: false });
const deleted = await manager.deleteRollbackPoint(point.id);
console.log(result, deleted.length, (await manager.listRollbackPoints()).length);
`;

const IMAGES = ['api', 'redis'];

let stack: Stack;
let port: number;
let point: string;
let changed: State;

beforeAll(async () => {
  port = await freePort();
  stack = await aStack('e2e-library', (name) => ({
    'redis/Dockerfile': 'FROM redis:7-alpine\n',
    'compose.yaml': `
name: ${name}
services:
  redis: { image: ${name}-redis:latest, volumes: ['cache:/data'] }
  api: { image: ${name}-api:latest, ports: ['127.0.0.1:${port}:8000'] }
  idle: { image: busybox:latest, command: [sleep, infinity], stop_signal: SIGKILL }
volumes: { cache: }
`,
  }));
  vi.stubEnv('COMPOSE_ROLLBACK_LOCK_DIR', stack.locks);
  await release('v1');
  const manager = new RollbackManager({ projectRoot: stack.directory });
  point = (await manager.createRollbackPoint({ description: 'with v1' })).id;
  await release('v2');
  for (const image of IMAGES)
    await docker('tag', `${stack.name}-${image}:latest`, `${stack.name}-${image}:v2`);
  changed = await stateOf(stack);
});

beforeEach(async () => {
  await rm(stack.path('.env'), { force: true });
  if (isDeepStrictEqual(await stateOf(stack), changed)) return;
  for (const image of IMAGES)
    await docker('tag', `${stack.name}-${image}:v2`, `${stack.name}-${image}:latest`);
  await stack.compose('up', '--detach');
  await until(async () => (await answer(port)) === 'v2', 'the API answers v2');
});

async function release(version: string): Promise<void> {
  await buildApi(stack, `${stack.name}-api:latest`, version);
  const labels = ['--label', `of=${stack.name}`, '--label', `version=${version}`];
  await docker('build', '--quiet', ...labels, '--tag', `${stack.name}-redis:latest`, stack.path('redis'));
  await stack.compose('up', '--detach');
  await until(async () => (await answer(port)) === version, `the API answers ${version}`);
}

/** A manager whose handler gives the API this verdict, and all that it tells. */
function judged(verdict: Library.Verdict, options: Library.ManagerOptions = {}) {
  const events: Library.RollbackEvent[] = [];
  const ours: Library.Handler = {
    kind: 'ours',
    matches: (repository) => repository === `${stack.name}-api`,
    verify: () => Promise.resolve(verdict),
  };
  const onEvent = (event: Library.RollbackEvent) => events.push(event);
  const manager = new RollbackManager({
    projectRoot: stack.directory,
    handlers: [ours],
    onEvent,
    ...options,
  });
  return { manager, events };
}

test("the reference's example", async () => {
  const folder = `${stack.locks}/deploy`;
  const before = await new RollbackManager({ projectRoot: stack.directory }).listRollbackPoints();
  await rm(folder, { recursive: true, force: true });
  await mkdir(`${folder}/node_modules`, { recursive: true });
  await symlink(PACKAGE, `${folder}/node_modules/compose-rollback`);
  await writeFile(`${folder}/example.mjs`, EXAMPLE);
  const run = () => execa('node', [`${folder}/example.mjs`, stack.directory], { stdin: 'ignore' });
  const { stdout } = await starts(stack, [], run);
  const [made, ...lines] = stdout.split('\n');
  expect(made).toMatch(/^rb-[0-9a-f]{12} Before critical update$/);
  const listed = before.map(({ id, description }) => `${id} ${description}`);
  expect(listed).toContain(`${point} with v1`);
  expect(lines).toEqual([...listed, `nothing-to-do 1 ${before.length}`]);
});

test('a dry run tells what would be done and does nothing of it', async () => {
  const { manager } = judged(pass('well'));
  const { result, run, plan } = await leavesAllAsItWas(stack, () =>
    manager.rollback(point, { dryRun: true }),
  );
  expect([result, run, plan.blockers]).toEqual(['planned', null, []]);
  expect(plan.operations.map(({ kind }) => kind)).toContain('up');
});

describe('a handler of our own', () => {
  test('that says no: the earlier state is back', async () => {
    const { manager } = judged(fail('not good enough'));
    await expect(manager.rollback(point, { services: ['api'] })).rejects.toMatchObject({
      code: 'returned',
      message: expect.stringContaining('not good enough'),
    });
    expect(await stateOf(stack)).toEqual(changed);
    expect(await answer(port)).toBe('v2');
  });

  test('that cannot tell: done, with a warning', async () => {
    const { manager, events } = judged(inconclusive('who knows'));
    const { result, warnings, run } = await manager.rollback(point, { services: ['api'] });
    expect([result, warnings]).toEqual(['done', ['api: who knows']]);
    expect(await answer(port)).toBe('v1');
    expect(events).toContainEqual({ type: 'verdict', service: 'api', verdict: inconclusive('who knows') });
    await manager.undo(run ?? undefined);
    expect(await answer(port)).toBe('v2');
  });

  test('that says yes: what happens is told step by step', async () => {
    const { manager, events } = judged(pass('well'));
    const { result, safety } = await manager.rollback(point, { services: ['api'] });
    expect(result).toBe('done');
    const phases = events.flatMap((event) => (event.type === 'phase' ? event.phase : []));
    expect(phases).toEqual(['observe', 'safety', 'apply']);
    expect(events).toContainEqual(expect.objectContaining({ type: 'safety-point', id: safety }));
    const steps = events.flatMap((event) =>
      event.type === 'operation' ? [`${event.state} ${event.operation.kind}`] : [],
    );
    const kinds = ['stop', 'retag', 'up', 'verify'];
    expect(steps).toEqual(kinds.flatMap((kind) => [`doing ${kind}`, `done ${kind}`]));
    await manager.undo();
    expect(await stateOf(stack)).toEqual(changed);
  });
});

test('an aborted run ends with the earlier state', async () => {
  const aborting = new AbortController();
  const { manager } = judged(pass('well'), {
    signal: aborting.signal,
    onEvent: (event) => {
      if (event.type === 'operation' && event.operation.kind === 'up') aborting.abort();
    },
  });
  await expect(manager.rollback(point)).rejects.toMatchObject({ code: 'interrupted' });
  expect(await stateOf(stack)).toEqual(changed);
});

test('a plan made earlier is carried out as long as it holds', async () => {
  const { manager } = judged(pass('well'));
  const plan = await manager.plan(point, { services: ['api'] });
  await stack.write({ '.env': 'NEW=1\n' });
  const stale = () => manager.rollback(point, { services: ['api'], plan });
  await starts(stack, [], () => expect(stale()).rejects.toMatchObject({ code: 'stale' }));

  const fresh = await manager.plan(point, { services: ['api'] });
  const { result, plan: done } = await manager.rollback(point, { services: ['api'], plan: fresh });
  expect([result, done.operations]).toEqual(['done', fresh.operations]);
  await manager.undo();
});

test("one service's four steps", async () => {
  const redis = getServiceRollback('redis', { projectRoot: stack.directory });
  const { id, image } = await containerOf(stack, 'redis');
  await docker('exec', id, 'redis-cli', 'SET', 'kept', 'yes');
  expect(await redis.preRollback()).toMatchObject({
    status: 'pass',
    reason: expect.stringContaining('SAVE'),
  });
  expect((await starts(stack, ['redis'], () => redis.rollback())).result).toBe('done');
  expect((await redis.postRollback()).status).toBe('pass');
  expect(await redis.verifyHealth()).toMatchObject({
    status: 'pass',
    reason: expect.stringContaining('PONG'),
  });

  const now = await containerOf(stack, 'redis');
  expect(now.image).not.toBe(image);
  expect(await docker('exec', now.id, 'redis-cli', 'GET', 'kept')).toBe('yes');
});
