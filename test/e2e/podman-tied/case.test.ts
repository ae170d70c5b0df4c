import { execa } from 'execa';
import { expect, test } from 'vitest';
import { aStack, cliWith, containersOf, type Stack } from '../../support/e2e.js';

/**
 * Newer than 1.0.3, podman-compose ties containers to those of the services that they depend on, and Podman removes none that another
 * is tied to: whoever replaces a service tears down its dependents. The plan names them, and nothing else is torn down.
 */

const { PODMAN_COMPOSE: program = '/PODMAN_COMPOSE-is-not-set' } = process.env;

interface Removal {
  kind: string;
  services: string[];
  containers: string[];
  cause: string;
}

const service = (rest = '') =>
  `{ image: busybox:latest, command: [sleep, '1000'], stop_signal: SIGKILL${rest} }`;

const composeFile = (name: string, version: string) => `
name: ${name}
services:
  db: ${service(`, environment: { VERSION: ${version} }`)}
  api: ${service(', depends_on: [db]')}
  web: ${service(', depends_on: [api]')}
  beside: ${service()}
`;

const byService = async (stack: Stack) =>
  Object.fromEntries(Object.values(await containersOf(stack)).map((found) => [found.service, found]));

test('podman-compose tears down what the plan says, and nothing else', async () => {
  const { stdout: version } = await execa(program, ['--version']);
  const dependents = /version +1\.0\.3/.test(version)
    ? {}
    : {
        web: 'the engine ties it to api, which is made anew',
        api: 'the engine ties it to db, which is made anew',
      };
  const stack = await aStack('e2e-tied', (name) => ({ 'compose.yaml': composeFile(name, 'v1') }));
  const compose = (...argv: string[]) =>
    execa(program, ['-p', stack.name, ...argv], { cwd: stack.directory, stdin: 'ignore' });
  const ours = async (...argv: string[]) => {
    const ended = await cliWith(stack, { env: { COMPOSE_ROLLBACK_PROVIDER: program } }, ...argv);
    expect(ended.exitCode, ended.stderr).toBe(0);
    return ended.stdout;
  };
  await compose('up', '-d');
  const point = await ours('create', '--quiet');
  await stack.write({ 'compose.yaml': composeFile(stack.name, 'v2') });
  await compose('down');
  await compose('up', '-d');

  const before = await byService(stack);
  const plan = Object(JSON.parse(await ours('rollback', point, '--dry-run', '--json')));
  const text = await ours('rollback', point, '--dry-run');
  expect(await byService(stack)).toEqual(before);
  await ours('rollback', point, '--yes');
  const after = await byService(stack);

  const gone = Object.values(before).filter((found) => after[found.service]?.id !== found.id);
  expect(gone.map((found) => found.service).toSorted()).toEqual(
    ['db', ...Object.keys(dependents)].toSorted(),
  );
  const removals: Removal[] = plan.operations.filter(({ kind }: Removal) => kind === 'remove');
  expect(removals.flatMap(({ containers }) => containers).toSorted()).toEqual(
    gone.map(({ id }) => id).toSorted(),
  );
  const causes = removals.map(({ services, cause }) => [services.join(), cause] as const);
  expect(causes.filter(([name]) => name !== 'db')).toEqual(Object.entries(dependents));
  for (const [name, cause] of causes) expect(text).toContain(`Remove containers of ${name}: ${cause}`);

  const stayed = Object.keys(before).filter((name) => !gone.some((found) => found.service === name));
  expect(plan.unchanged).toEqual(stayed.toSorted());
  for (const name of stayed) expect(after[name]).toEqual(before[name]);
  expect(Object.values(after).map(({ state }) => state)).toEqual(Array(4).fill('running'));
  expect(JSON.parse(await ours('rollback', point, '--dry-run', '--json'))).toMatchObject({
    operations: [],
  });
});
