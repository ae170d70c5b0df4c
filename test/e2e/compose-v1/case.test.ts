import { execa } from 'execa';
import { beforeEach, describe, expect, test } from 'vitest';
import { answer, aStack, buildApi, freePort, imageId, until, type Stack } from '../../support/e2e.js';
import { ENV_OF_V1 } from '../../support/engine.js';
import { containerOf, okAs, starts, stateOf, type State } from '../../support/round-trip.js';

/** The legacy provider, docker-compose 1.29.2, on a stack of its own and on one that version 2 started. */

function programV1(): string {
  const path = process.env['COMPOSE_V1'];
  if (path === undefined) throw new Error('COMPOSE_V1 is not set: eval "$(scripts/lab.sh env)"');
  return path;
}

const v1 = { env: { COMPOSE_ROLLBACK_PROVIDER: programV1() } };

const starters: Record<string, (stack: Stack) => Promise<unknown>> = {
  'version 1': (stack) =>
    execa(programV1(), ['up', '--detach'], { cwd: stack.directory, env: ENV_OF_V1, stdin: 'ignore' }),
  'version 2': (stack) => stack.compose('up', '--detach'),
};

/** What is the same whoever made the containers: versions 1 and 2 name and hash them in ways of their own. */
function withoutMaker({ containers, files }: State) {
  const facts = containers.map(({ service, state, image }) => `${service} ${state} ${image}`);
  return { containers: facts.toSorted(), files };
}

for (const [starter, up] of Object.entries(starters)) {
  describe(`a stack that ${starter} started`, () => {
    let stack: Stack;
    let port: number;
    let tag: string;
    let images: { v1: string; v2: string };
    let before: State;
    let changed: State;

    const asBefore = async (state: State) => {
      const [is, was] = [await stateOf(stack), state];
      if (starter === 'version 1') expect(is).toEqual(was);
      else expect(withoutMaker(is)).toEqual(withoutMaker(was));
    };

    beforeEach(async () => {
      port = await freePort();
      stack = await aStack('e2e-composev1', (name) => ({
        '.env': `COMPOSE_PROJECT_NAME=${name}\nCOLOUR=blue\n`,
        'idle.conf': 'never changed\n',
        'web.conf': 'one\n',
        'docker-compose.yml': `
version: '3.8'
services:
  api:
    image: ${name}-api:latest
    ports: ['127.0.0.1:${port}:8000']
  web:
    image: busybox:latest
    command: [sleep, infinity]
    stop_signal: SIGKILL
    environment: { COLOUR: '\${COLOUR}' }
    volumes: ['./web.conf:/etc/web.conf:ro']
  idle:
    image: busybox:latest
    command: [sleep, infinity]
    stop_signal: SIGKILL
    volumes: ['./idle.conf:/etc/idle.conf:ro']
`,
      }));
      tag = `${stack.name}-api:latest`;
      const first = await buildApi(stack, tag, 'v1');
      await up(stack);
      await serves('v1');
      before = await stateOf(stack);
      await okAs(stack, v1, 'create', 'with v1');
      const second = await buildApi(stack, tag, 'v2');
      images = { v1: first, v2: second };
      await stack.write({ '.env': `COMPOSE_PROJECT_NAME=${stack.name}\nCOLOUR=red\n`, 'web.conf': 'two\n' });
      await up(stack);
      await serves('v2');
      changed = await stateOf(stack);
    });

    async function serves(version: string): Promise<void> {
      await until(async () => (await answer(port)) === version, `the API answers ${version}`);
    }

    test('comes back, the others are not touched, nothing is left to do; undo brings the newer state back', async () => {
      await starts(stack, ['api', 'web'], () => okAs(stack, v1, 'rollback', 'latest', '--yes'));
      await asBefore(before);
      expect(await answer(port)).toBe('v1');
      expect([(await containerOf(stack, 'api')).image, await imageId(tag)]).toEqual([images.v1, images.v1]);

      // For us and for compose.
      await starts(stack, [], async () => {
        expect((await okAs(stack, v1, 'rollback', 'latest', '--yes')).stdout).toContain('Nothing to do');
        if (starter === 'version 1') await up(stack);
      });

      await starts(stack, ['api', 'web'], () => okAs(stack, v1, 'undo', '--yes'));
      await asBefore(changed);
      expect(await answer(port)).toBe('v2');
      expect([(await containerOf(stack, 'api')).image, await imageId(tag)]).toEqual([images.v2, images.v2]);
    });
  });
}
