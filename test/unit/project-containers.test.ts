import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import type { Container, ContainerMount } from '../../src/model/engine.js';
import { sortContainers } from '../../src/project/containers.js';
import { containerOf, makeFolder, projectIn, type Folder } from '../support/folder.js';

const SERVICES = 'services: { api: { image: busybox } }\n';

const startedIn = (folder: Pick<Folder, 'path'>, more: Partial<Container> = {}) =>
  containerOf('api', {
    labels: {
      'com.docker.compose.project.working_dir': folder.path,
      'com.docker.compose.project.config_files': join(folder.path, 'compose.yaml'),
    },
    ...more,
  });

const names = (containers: Container[]) => containers.map(({ name }) => name);

it('two folders of one name are two projects, unless both were named on purpose', async () => {
  const here = await makeFolder({ 'compose.yaml': SERVICES });
  const there = await makeFolder({ 'compose.yaml': SERVICES });
  const containers = [startedIn(here, { name: 'ours' }), startedIn(there, { name: 'theirs' })];
  const { replicas, strangers } = await sortContainers(projectIn(here), containers);
  expect(names(replicas)).toEqual(['ours']);
  expect(strangers).toMatchObject([{ standing: 'namesake', directory: there.path }]);

  const named = projectIn(here, { nameOrigin: 'written' });
  expect(names((await sortContainers(named, containers)).replicas)).toEqual(['ours']);
  await there.write({ 'compose.yaml': `name: shop\n${SERVICES}` });
  expect(names((await sortContainers(named, containers)).replicas)).toEqual(['ours', 'theirs']);
  await there.write({ 'compose.yaml': SERVICES, '.env': 'COMPOSE_PROJECT_NAME=shop\n' });
  expect(names((await sortContainers(named, containers)).replicas)).toEqual(['ours', 'theirs']);
});

it('a release in a folder of its own, named by a flag, goes on with the containers of the last one', async () => {
  const last = await makeFolder({ 'compose.yaml': SERVICES }, '20260101');
  const next = await makeFolder({ 'compose.yaml': SERVICES }, '20260102');
  const project = projectIn(next, { nameOrigin: 'given' });
  expect((await sortContainers(project, [startedIn(last)])).replicas).toHaveLength(1);
});

it.each(['/nowhere/shop', 'relative', '', '/proc/self/mem/x', `/${'x'.repeat(300)}`, '/a\0b'])(
  'a label with the path %j is nothing to fail on',
  async (path) => {
    const here = await makeFolder({ 'compose.yaml': SERVICES });
    const { replicas, strangers } = await sortContainers(projectIn(here), [startedIn({ path })]);
    expect(replicas.length + strangers.length).toBe(1);
  },
);

it('mounts of a folder that was moved are told where they are, and stay where something is at the old place', async () => {
  const old = await makeFolder({ 'compose.yaml': SERVICES, 'app.ini': 'one' });
  await mkdir(old.at('files'));
  await mkdir(old.at('live'));
  const path = join(dirname(old.path), 'moved');
  await rename(old.path, path);
  await mkdir(old.at('live'), { recursive: true });
  await mkdir(old.at('files'));
  await mkdir(old.at('live/written'));
  const bind = (source: string): ContainerMount => ({
    type: 'bind',
    source,
    name: undefined,
    target: source,
    readOnly: false,
  });
  const mounts = ['app.ini', 'files', 'live', 'none'].map((name) => bind(old.at(name))).concat(bind('/etc'));
  const { replicas } = await sortContainers(projectIn({ ...old, path }), [startedIn(old, { mounts })]);
  expect(replicas[0]?.mounts.map(({ source }) => source)).toEqual([
    join(path, 'app.ini'),
    join(path, 'files'),
    old.at('live'),
    old.at('none'),
    '/etc',
  ]);
  expect(replicas[0]?.movedFrom).toBe(old.path);
});

it('of a project with two names the containers of the other one count, service by service', async () => {
  const here = await makeFolder({ 'compose.yaml': SERVICES });
  const project = projectIn(here, { alias: 'webshop' });
  const containers = [
    startedIn(here, { name: 'left' }),
    startedIn(here, { name: 'renamed', project: 'webshop' }),
    startedIn(here, { name: 'db', service: 'db' }),
  ];
  expect(names((await sortContainers(project, containers)).replicas)).toEqual(['renamed', 'db']);
});
