import { expect, test } from 'vitest';
import { aStack, containersOf } from '../../support/e2e.js';
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
