import { mkdir, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { locateIfAny, refineProject } from '../../src/project/refine.js';
import { containerOf, makeFolder, selectionIn, type Folder } from '../support/folder.js';

const SERVICES = 'services: { api: { image: busybox } }\n';

function startedWith(directory: string, files: string[], more: Parameters<typeof containerOf>[1] = {}) {
  const labels = {
    'com.docker.compose.project.working_dir': directory,
    'com.docker.compose.project.config_files': files.join(','),
  };
  return containerOf('api', { labels, ...more });
}

async function refine(folder: Folder, containers: ReturnType<typeof containerOf>[], more = {}) {
  const selection = selectionIn(folder.path, more);
  return refineProject(await locateIfAny(selection), selection, containers);
}

test('with nothing running the files alone tell', async () => {
  const folder = await makeFolder({ 'compose.yaml': SERVICES });
  expect(await refine(folder, [])).toMatchObject({ name: 'shop', origin: 'default' });
  const empty = await makeFolder();
  await expect(refine(empty, [])).rejects.toMatchObject({ code: 'project-not-found' });
});

test('files that were given with -f are taken from the labels when they are not given again', async () => {
  const folder = await makeFolder({ 'compose.yaml': SERVICES, 'a.yaml': SERVICES, 'b.yaml': SERVICES });
  const files = [folder.at('a.yaml'), folder.at('b.yaml')];
  const containers = [startedWith(folder.path, files)];
  expect(await refine(folder, containers)).toMatchObject({ files, origin: 'labels', directory: folder.path });
  const told = await refine(folder, containers, { files: ['compose.yaml'] });
  expect(told).toMatchObject({ files: [folder.at('compose.yaml')], origin: 'told' });
});

test('a folder is called as the containers know it: by another path compose would hash their mounts otherwise', async () => {
  const folder = await makeFolder({ 'compose.yaml': SERVICES, 'compose.override.yaml': SERVICES });
  const link = join(dirname(folder.path), 'link');
  await symlink(folder.path, link);
  const project = await refine(folder, [startedWith(link, [join(link, 'compose.yaml')])]);
  expect(project).toMatchObject({
    directory: link,
    files: [join(link, 'compose.yaml'), join(link, 'compose.override.yaml')],
    origin: 'default',
  });
});

test('an override that appeared since belongs to the project: compose loads it by itself', async () => {
  const folder = await makeFolder({ 'compose.yaml': SERVICES, 'compose.override.yaml': SERVICES });
  const project = await refine(folder, [startedWith(folder.path, [folder.at('compose.yaml')])]);
  expect(project).toMatchObject({
    files: [folder.at('compose.yaml'), folder.at('compose.override.yaml')],
    origin: 'default',
  });
});

test('the container that was started last is believed', async () => {
  const folder = await makeFolder({ 'compose.yaml': SERVICES });
  const old = startedWith(folder.path, [folder.at('compose.yaml')], { startedAt: '2026-01-01T00:00:00Z' });
  const fresh = startedWith(folder.path, [folder.at('x.yaml')], { startedAt: '2026-01-02T00:00:00Z' });
  expect((await refine(folder, [old, fresh])).files).toEqual([folder.at('x.yaml')]);
  expect((await refine(folder, [fresh, old])).files).toEqual([folder.at('x.yaml')]);
});

test('-p finds the files of a project that lives elsewhere', async () => {
  const there = await makeFolder({ 'compose.yaml': SERVICES }, 'there');
  const containers = [startedWith(there.path, [there.at('compose.yaml')])];
  const expected = {
    name: 'shop',
    directory: there.path,
    files: [there.at('compose.yaml')],
    origin: 'default',
  };
  const nowhere = await makeFolder();
  expect(await refine(nowhere, containers, { projectName: 'shop' })).toMatchObject(expected);
  const here = await makeFolder({ 'compose.yaml': SERVICES }, 'here');
  expect(await refine(here, containers, { projectName: 'shop' })).toMatchObject(expected);
});

test('-p of a project whose folder is gone stays with the files here', async () => {
  const here = await makeFolder({ 'compose.yaml': SERVICES }, 'here');
  const project = await refine(here, [startedWith('/gone', ['/gone/compose.yaml'])], { projectName: 'shop' });
  expect(project).toMatchObject({ directory: here.path, files: [here.at('compose.yaml')] });
});

test('a namesake elsewhere does not take over what is here', async () => {
  const here = await makeFolder({ 'compose.yaml': SERVICES });
  const there = await makeFolder({ 'compose.yaml': SERVICES });
  expect(await refine(here, [startedWith(there.path, [there.at('compose.yaml')])])).toMatchObject({
    directory: here.path,
  });
});

test('the compose file is gone: the containers that were started here tell name and files', async () => {
  const folder = await makeFolder();
  const containers = [
    startedWith(folder.path, [folder.at('compose.yaml')], { project: 'webshop' }),
    startedWith('/other', ['/other/compose.yaml'], { project: 'other' }),
  ];
  expect(await refine(folder, containers)).toMatchObject({
    name: 'webshop',
    directory: folder.path,
    files: [folder.at('compose.yaml')],
    origin: 'default',
  });
});

test('the compose file is broken and has lost its name', async () => {
  const folder = await makeFolder({ 'compose.yaml': 'services: [\n  api: {' });
  const containers = [startedWith(folder.path, [folder.at('compose.yaml')], { project: 'webshop' })];
  expect(await refine(folder, containers)).toMatchObject({ name: 'webshop', origin: 'default' });
  await folder.write({ 'compose.yaml': SERVICES });
  expect(await refine(folder, containers)).toMatchObject({ name: 'shop' });
});

test('two projects that were started here have to be told apart', async () => {
  const folder = await makeFolder();
  const containers = ['one', 'two'].map((project) => startedWith(folder.path, [], { project }));
  await expect(refine(folder, containers)).rejects.toMatchObject({
    code: 'project-not-found',
    message: expect.stringContaining('one, two'),
    hint: expect.stringContaining('-p'),
  });
});

test("compose v1's labels are relative, and a folder may have two names", async () => {
  const folder = await makeFolder({ 'a.yaml': SERVICES, 'compose.yaml': SERVICES });
  const link = join(dirname(folder.path), 'current');
  await symlink(folder.path, link);
  const project = await refine(folder, [startedWith(link, ['a.yaml'])]);
  expect(project).toMatchObject({ files: [join(link, 'a.yaml')], origin: 'labels' });
});

test('one-off containers tell nothing', async () => {
  const folder = await makeFolder({ 'compose.yaml': SERVICES });
  await rm(folder.at('compose.yaml'));
  await expect(
    refine(folder, [startedWith(folder.path, ['x.yaml'], { oneOff: true })]),
  ).rejects.toMatchObject({
    code: 'project-not-found',
  });
});

test('--env-file that is not given again is taken from the labels, unless it is gone', async () => {
  const folder = await makeFolder({ 'compose.yaml': SERVICES, 'prod.env': 'TAG=1' });
  const container = startedWith(folder.path, [folder.at('compose.yaml')]);
  const named = (file: string) => ({
    ...container,
    labels: { ...container.labels, 'com.docker.compose.project.environment_file': folder.at(file) },
  });
  expect(await refine(folder, [named('prod.env')])).toMatchObject({ envFiles: [folder.at('prod.env')] });
  expect(await refine(folder, [named('gone.env')])).toMatchObject({ envFiles: [], origin: 'default' });
  expect(await refine(folder, [named('prod.env')], { files: ['compose.yaml'] })).toMatchObject({
    envFiles: [folder.at('prod.env')],
    origin: 'told',
  });
});

test('files and env files of a folder that was moved are taken where they are now', async () => {
  const folder = await makeFolder({ 'a.yaml': SERVICES, 'compose.yaml': SERVICES, 'prod.env': 'TAG=1' });
  const moved = join(dirname(folder.path), 'moved', 'shop');
  const container = startedWith(folder.path, [folder.at('a.yaml')]);
  container.labels['com.docker.compose.project.environment_file'] = folder.at('prod.env');
  await mkdir(dirname(moved));
  await rename(folder.path, moved);
  const expected = { directory: moved, files: [join(moved, 'a.yaml')], envFiles: [join(moved, 'prod.env')] };
  expect(await refine({ ...folder, path: moved }, [container])).toMatchObject(expected);
  // Docker makes directories of files that are to be mounted and are gone: the old place is back, and is nobody's.
  await mkdir(join(folder.path, 'app.ini'), { recursive: true });
  expect(await refine({ ...folder, path: moved }, [container])).toMatchObject(expected);
});

test('standard input among the files names no file', async () => {
  const folder = await makeFolder({ 'compose.yaml': SERVICES });
  const project = await refine(folder, [startedWith(folder.path, [folder.at('compose.yaml'), '-'])]);
  expect(project).toMatchObject({ files: [folder.at('compose.yaml')], origin: 'default' });
});

test('a container of an image with labels of compose tells nothing', async () => {
  const folder = await makeFolder({ 'compose.yaml': SERVICES, 'x.yaml': SERVICES });
  const copy = startedWith(folder.path, [folder.at('x.yaml')], { configHash: undefined });
  expect(await refine(folder, [copy])).toMatchObject({ files: [folder.at('compose.yaml')] });
});

test('one name in several folders has to be told apart', async () => {
  const one = await makeFolder({ 'compose.yaml': SERVICES });
  const other = await makeFolder({ 'compose.yaml': SERVICES });
  const nowhere = await makeFolder({}, 'nowhere');
  const containers = [one, other].map(({ path, at }) => startedWith(path, [at('compose.yaml')]));
  await expect(refine(nowhere, containers, { projectName: 'shop' })).rejects.toMatchObject({
    code: 'project-not-found',
    message: expect.stringContaining(other.path),
  });
});
