import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Store } from '../../src/store/store.js';
import { builtCli } from '../support/cli.js';
import { storeWithPoints } from '../support/cli-store.js';

/** Which point is chosen, and what is said about it, when the newest one was made of a failing stack. The engine is not needed for that. */

const cli = builtCli();
let shop = '';
/** Newest first: the api was failing at the newest one. */
let ids: string[] = [];

beforeAll(async () => {
  shop = await mkdtemp(join(tmpdir(), 'cli-healthy-'));
  await writeFile(join(shop, 'compose.yaml'), 'name: shop\nservices: { api: { image: busybox } }\n');
  const backups = join(shop, 'rollback/backups');
  await storeWithPoints(backups, 'shop');
  const store = await Store.open(backups);
  const index = await store.writeIndex();
  const points = index.points({ project: 'shop', kinds: ['manual', 'deploy'] });
  for (const point of points.slice(0, 1)) index.insertPoint({ ...point, failing: ['api'] });
  store.close();
  ids = points.map(({ id }) => id);
});
afterAll(() => rm(shop, { recursive: true, force: true }));

const call = () => ({ cwd: shop, env: { DOCKER_HOST: 'unix:///nonexistent/docker.sock' } });

it('a list marks such points, for people and for programs', async () => {
  const { stdout } = await cli.run(['list'], call());
  expect(stdout.match(/Failing: api/g)).toHaveLength(1);
  const document: unknown = JSON.parse((await cli.run(['list', '--json'], call())).stdout);
  expect(document).toMatchObject({ points: [{ failing: ['api'] }, { failing: [] }] });
});

it('quick-rollback goes to the newest point, and names the newest one that is not known to be failing', async () => {
  const { stderr } = await cli.run(['quick-rollback', '--yes'], call());
  expect(stderr).toContain(`! ${ids[0]}`);
  expect(stderr).toContain('was made while api was failing');
  expect(stderr).toContain(`latest~1 (${ids[1]}`);
  const healthy = await cli.run(['quick-rollback', '--healthy', '--yes'], call());
  expect(healthy.stderr).not.toContain('failing');
});

it('on a terminal a person chooses between the two', async () => {
  const asking = cli.terminal(['quick-rollback'], { ...call(), columns: 200 });
  await asking.sees('Roll back to');
  await asking.sees(`${ids[1]}`);
  asking.type('\u0003');
  expect(await asking.ended()).toBe(130);
});

it('the list to choose from marks them', async () => {
  const choosing = cli.terminal(['rollback'], { ...call(), columns: 200 });
  await choosing.sees('[failing: api]');
  choosing.type('\u0003');
  expect(await choosing.ended()).toBe(130);
});
