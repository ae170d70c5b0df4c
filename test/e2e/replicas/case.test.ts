import { expect, test } from 'vitest';
import { aStack, containersOf, docker, json, until, type Stack } from '../../support/e2e.js';
import { composeAs, containerOf, roundTrip, SLEEPER } from '../../support/round-trip.js';

/** Several containers of a service: as many as the files say, and as many as somebody asked for by hand. */

const composeFile = (name: string, version = 1) => `
name: ${name}
services:
  web: { ${SLEEPER}, labels: [version=${version}] }
  worker: { ${SLEEPER}, deploy: { replicas: 2 } }
  swollen: { ${SLEEPER} }
  idle: { ${SLEEPER}, deploy: { replicas: 2 } }
`;

test('the number of containers comes back, and those that need not change stay', async () => {
  const stack = await aStack('e2e-scale', (name) => ({ 'compose.yaml': composeFile(name) }));
  const count = async () => {
    const services = Object.values(await containersOf(stack)).map(({ service }) => service);
    return ['web', 'worker', 'swollen', 'idle'].map((name) => services.filter((one) => one === name).length);
  };
  await composeAs(stack, {}, 'up', '--detach', '--scale', 'web=3');
  expect(await count()).toEqual([3, 2, 1, 2]);
  const [worker, swollen] = [await containerOf(stack, 'worker'), await containerOf(stack, 'swollen')];
  const change = async () => {
    await stack.write({ 'compose.yaml': composeFile(stack.name, 2) });
    await composeAs(
      stack,
      {},
      'up',
      '--detach',
      '--scale',
      'web=2',
      '--scale',
      'worker=1',
      '--scale',
      'swollen=2',
    );
    expect(await count()).toEqual([2, 1, 2, 2]);
  };
  await roundTrip(stack, { change, touched: ['web', 'worker', 'swollen'] });
  expect(await containerOf(stack, 'worker')).toEqual(worker);
  expect(await containerOf(stack, 'swollen')).toEqual(swollen);
});

/** A container of a `pre_start` hook with the labels that compose gives it: those of a replica without number, one-off mark and hash. */
async function addHook(
  stack: Stack,
  service: string,
  command: string[],
  more: string[] = [],
): Promise<string> {
  const labels = [`project=${stack.name}`, `service=${service}`, 'version=5.3.0', ...more];
  const words = labels.flatMap((label) => ['--label', `com.docker.compose.${label}`]);
  const name = `${stack.name}-${service}-hook${more.length}`;
  await docker(
    'run',
    '--detach',
    '--name',
    name,
    ...words,
    '--stop-signal',
    'SIGKILL',
    'busybox:latest',
    ...command,
  );
  return name;
}

test('containers of pre_start hooks are no replicas', async () => {
  const file = (name: string, version = 1) => `
name: ${name}
services:
  web: { ${SLEEPER}, labels: [version=${version}] }
  idle: { ${SLEEPER} }
`;
  const stack = await aStack('e2e-prestart', (name) => ({ 'compose.yaml': file(name) }));
  await composeAs(stack, {}, 'up', '--detach');
  const names = [
    await addHook(stack, 'web', ['sleep', 'infinity']),
    await addHook(stack, 'web', ['false'], ['hook=pre_start']),
    await addHook(stack, 'idle', ['false'], ['hook=pre_start']),
  ];
  const hooks = async () => {
    const containers = await containersOf(stack);
    return names.map((name) => containers[name]);
  };
  await until(
    async () => (await hooks()).map((facts) => facts?.state).join() === 'running,exited,exited',
    'one hook runs, two have failed',
  );
  const before = await hooks();
  expect(await json(stack, 'status')).toMatchObject({
    services: [
      { name: 'idle', state: 'running', containers: 1 },
      { name: 'web', state: 'running', containers: 1 },
    ],
  });

  const change = async () => {
    await stack.write({ 'compose.yaml': file(stack.name, 2) });
    await composeAs(stack, {}, 'up', '--detach');
  };
  await roundTrip(stack, { change, touched: ['web'] });
  expect(await json(stack, 'show', 'latest')).toMatchObject({
    containers: {
      web: { replicas: 1, running: 1, exit_codes: [] },
      idle: { replicas: 1, running: 1, exit_codes: [] },
    },
  });
  expect(await hooks()).toEqual(before);
});
