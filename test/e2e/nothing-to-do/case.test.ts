import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  FACETS,
  NOT_ON_DOCKER_20,
  NOT_ON_PODMAN,
  NOT_ON_PODMAN_4,
  ONLY_COMPOSE_2,
  ONLY_NEWER_COMPOSE,
  ONLY_NEWEST_DOCKER,
} from '../../property/facets.js';
import { buildImages } from '../../property/images.js';
import { inspectProject } from '../../property/inspection.js';
import { bundle } from '../../property/model.js';
import { closeStage, openStage, runDocker, up, writeProject, type Stage } from '../../property/stage.js';
import { cliWith } from '../../support/e2e.js';
import { COMPOSE_V1, docker, isPodmanBefore, PODMAN } from '../../support/engine.js';

/**
 * No false differences: a project with every key of compose in use is recorded, and nothing is left to do; neither right away, nor after the engine started its
 * containers again, nor after compose made them again. Keys that clash are in different projects.
 */

const stages: Stage[] = [];

beforeAll(buildImages);
afterAll(async () => {
  for (const stage of stages) await closeStage(stage);
});

/** Of Docker; 0 on Podman. */
const major =
  PODMAN === undefined ? parseInt(await docker('version', '--format', '{{.Server.Version}}'), 10) : 0;
const isNewerCompose =
  COMPOSE_V1 === undefined && (await docker('compose', 'version', '--short')).replace('v', '') >= '2.40';
const missing = {
  ...(major >= 28 ? {} : ONLY_NEWEST_DOCKER),
  ...(major === 20 ? NOT_ON_DOCKER_20 : {}),
  ...(isNewerCompose ? {} : ONLY_NEWER_COMPOSE),
  ...(COMPOSE_V1 === undefined ? {} : ONLY_COMPOSE_2),
  ...(PODMAN === undefined ? {} : NOT_ON_PODMAN),
  ...((await isPodmanBefore(5, 0)) ? NOT_ON_PODMAN_4 : {}),
};
const facets = FACETS.filter(({ name, alone }) => !alone && !(name in missing));
const bundles = bundle(facets).map(({ facets: together, project }, index) => ({
  title: together.map(({ name }) => name).join(', '),
  environment: Object.assign({}, ...together.map((facet) => facet.environment)),
  project,
  number: 200 + index,
}));

test.each(bundles)('$title', async ({ project, environment, number }) => {
  const stage = await openStage(number, environment);
  stages.push(stage);
  await writeProject(stage, project);
  await runDocker(stage, project.outside);
  await up(stage, {});

  const { stack } = stage;
  const inspect = async () => await inspectProject(stack.name, stack.directory, true);

  const { stdout: point, ...created } = await cliWith(stack, { env: environment }, 'create', '--quiet');
  expect(created).toMatchObject({ exitCode: 0 });
  expect(await operationsTo(stage, point)).toEqual([]);
  const before = await inspect();

  for (const id of [...(await stack.ids('peer')), ...(await stack.ids('web'))])
    await docker('restart', '-t', '0', id);
  expect(await inspect()).toEqual(before);
  expect(await operationsTo(stage, point)).toEqual([]);

  // New containers with other ids, addresses and names of volumes are the same to us.
  await up(stage, {}, '--force-recreate');
  expect(await inspect()).toEqual(before);
  expect(await operationsTo(stage, point)).toEqual([]);
});

async function operationsTo({ stack, environment }: Stage, point: string): Promise<unknown> {
  const argv = ['rollback', point, '--dry-run', '--json'];
  const { exitCode, stdout, stderr } = await cliWith(stack, { env: environment }, ...argv);
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  const { operations }: { operations: unknown } = JSON.parse(stdout);
  return operations;
}
