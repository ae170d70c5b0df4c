import { mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { locateProject } from '../../src/project/locate.js';
import { makeFolder, selectionIn } from '../support/folder.js';

const SERVICES = 'services: { api: { image: busybox } }\n';

test('the default files are looked for in order, with whichever override there is', async () => {
  const folder = await makeFolder({ 'docker-compose.yaml': SERVICES });
  const files = async () => (await locateProject(selectionIn(folder.path))).files;
  expect(await files()).toEqual([folder.at('docker-compose.yaml')]);
  await folder.write({ 'docker-compose.yml': SERVICES });
  expect(await files()).toEqual([folder.at('docker-compose.yml')]);
  await folder.write({ 'compose.yml': SERVICES, 'docker-compose.override.yaml': SERVICES });
  expect(await files()).toEqual([folder.at('compose.yml'), folder.at('docker-compose.override.yaml')]);
  await folder.write({ 'compose.yaml': SERVICES, 'compose.override.yml': SERVICES });
  expect(await files()).toEqual([folder.at('compose.yaml'), folder.at('compose.override.yml')]);
});

test('folders above are searched', async () => {
  const folder = await makeFolder({ 'compose.yaml': SERVICES, 'deep/er/x': '' });
  const project = await locateProject(selectionIn(folder.at('deep/er')));
  expect(project).toEqual({
    name: 'shop',
    nameOrigin: 'folder',
    directory: folder.path,
    files: [folder.at('compose.yaml')],
    origin: 'default',
    profiles: [],
    envFiles: [],
  });
});

test('without any compose file it says so and what to do', async () => {
  const folder = await makeFolder();
  await expect(locateProject(selectionIn(folder.path))).rejects.toMatchObject({
    code: 'project-not-found',
    hint: expect.stringContaining('-p NAME'),
  });
});

test('-f files are relative to where one stands, and the first one gives the directory', async () => {
  const folder = await makeFolder({ 'stack/base.yaml': SERVICES, 'here/prod.yaml': SERVICES });
  const selection = selectionIn(folder.at('here'), { files: ['../stack/base.yaml', 'prod.yaml'] });
  expect(await locateProject(selection)).toMatchObject({
    name: 'stack',
    directory: folder.at('stack'),
    files: [folder.at('stack/base.yaml'), folder.at('here/prod.yaml')],
    origin: 'told',
  });
  const moved = await locateProject({ ...selection, projectDirectory: '..' });
  expect(moved).toMatchObject({ name: 'shop', directory: folder.path });
});

test('files that were told are kept even when they are gone', async () => {
  const folder = await makeFolder();
  const project = await locateProject(selectionIn(folder.path, { files: ['gone.yaml'] }));
  expect(project.files).toEqual([folder.at('gone.yaml')]);
});

test.each([
  ['-', 'usage'],
  ['https://example.com/compose.yaml', 'not-supported'],
  ['oci://docker.io/team/stack', 'not-supported'],
  ['git@github.com:team/stack.git', 'not-supported'],
])('-f %s is refused', async (file, code) => {
  const folder = await makeFolder({ 'compose.yaml': SERVICES });
  await expect(locateProject(selectionIn(folder.path, { files: [file] }))).rejects.toMatchObject({ code });
});

test('COMPOSE_FILE comes from the environment, then from .env, with its separator', async () => {
  const folder = await makeFolder({
    'compose.yaml': SERVICES,
    'a.yaml': SERVICES,
    'b.yaml': SERVICES,
    '.env': 'COMPOSE_FILE=a.yaml;b.yaml\nCOMPOSE_PATH_SEPARATOR=;\n',
  });
  expect(await locateProject(selectionIn(folder.path))).toMatchObject({
    files: [folder.at('a.yaml'), folder.at('b.yaml')],
    origin: 'told',
  });
  const env = { COMPOSE_FILE: 'b.yaml:a.yaml', COMPOSE_PATH_SEPARATOR: ':' };
  expect((await locateProject(selectionIn(folder.path, { env }))).files).toEqual([
    folder.at('b.yaml'),
    folder.at('a.yaml'),
  ]);
});

test("below the project, COMPOSE_FILE of the project's .env still means the files beside it", async () => {
  const folder = await makeFolder({
    'compose.yaml': SERVICES,
    'a.yaml': SERVICES,
    '.env': 'COMPOSE_FILE=a.yaml',
    'sub/x': '',
  });
  expect((await locateProject(selectionIn(folder.at('sub')))).files).toEqual([folder.at('a.yaml')]);
});

test('the name: flag, environment, .env, the last file that has one, the folder', async () => {
  const folder = await makeFolder({ 'compose.yaml': SERVICES }, 'My Shop_2.0');
  const name = async (more = {}) => (await locateProject(selectionIn(folder.path, more))).name;
  expect(await name()).toBe('myshop_20');
  await folder.write({ 'compose.yaml': `name: first\n${SERVICES}` });
  expect(await name()).toBe('first');
  await folder.write({ 'compose.override.yaml': `name: "Second" # loud\n${SERVICES}` });
  expect(await name()).toBe('second');
  await folder.write({ '.env': 'COMPOSE_PROJECT_NAME=third\n' });
  expect(await name()).toBe('third');
  expect(await name({ env: { COMPOSE_PROJECT_NAME: 'fourth' } })).toBe('fourth');
  expect(await name({ env: { COMPOSE_PROJECT_NAME: 'fourth' }, projectName: 'fifth' })).toBe('fifth');
});

test.each([
  ['name: ${APP:-shop}-${STAGE}\n', 'shop-prod'],
  ['name: 2048\n', '2048'],
  ["'name': quoted\n", 'quoted'],
  ['name: >-\n  folded\n', 'folded'],
  ['x-a: &a other\nname: *a\n', 'other'],
  ['services:\n  name:\n    image: x\n', 'dir'],
  ['name: kept\nservices: [broken: {\n', 'kept'],
  ['\uFEFFname: bom\r\nservices: {}\r\n', 'bom'],
  ['{"name": "json", "services": {}}', 'json'],
])('the name written as %j is %s', async (text, expected) => {
  const folder = await makeFolder({ 'compose.yaml': text }, 'dir');
  const project = await locateProject(selectionIn(folder.path, { env: { STAGE: 'prod' } }));
  expect(project.name).toBe(expected);
});

test.each(['Shop', 'a b', '-shop', '../x', ''])('-p %j is refused', async (projectName) => {
  const folder = await makeFolder({ 'compose.yaml': SERVICES });
  await expect(locateProject(selectionIn(folder.path, { projectName }))).rejects.toMatchObject({
    code: 'usage',
  });
});

test('profiles: flags replace COMPOSE_PROFILES', async () => {
  const folder = await makeFolder({ 'compose.yaml': SERVICES, '.env': 'COMPOSE_PROFILES=debug, tools,\n' });
  expect((await locateProject(selectionIn(folder.path))).profiles).toEqual(['debug', 'tools']);
  const flagged = await locateProject(selectionIn(folder.path, { profiles: ['test'] }));
  expect(flagged.profiles).toEqual(['test']);
});

test('--env-file takes the place of .env, and the last one wins', async () => {
  const folder = await makeFolder({
    'compose.yaml': SERVICES,
    '.env': 'COMPOSE_PROJECT_NAME=dotenv',
    'one.env': 'COMPOSE_PROJECT_NAME=one\nCOMPOSE_PROFILES=p1',
    'two.env': 'COMPOSE_PROJECT_NAME=two',
  });
  const project = await locateProject(selectionIn(folder.path, { envFiles: ['one.env', 'two.env'] }));
  expect(project).toMatchObject({
    name: 'two',
    profiles: ['p1'],
    envFiles: [folder.at('one.env'), folder.at('two.env')],
  });
  const named = await locateProject(selectionIn(folder.path, { env: { COMPOSE_ENV_FILES: 'one.env' } }));
  expect(named.name).toBe('one');
});

test('a folder is called what the shell calls it, as compose does', async () => {
  const folder = await makeFolder({ 'compose.yaml': SERVICES });
  const link = join(dirname(folder.path), 'current');
  await symlink(folder.path, link);
  const project = await locateProject(selectionIn(folder.path, { env: { PWD: link } }));
  expect(project).toMatchObject({ name: 'current', directory: link });
  await mkdir(folder.at('elsewhere'));
  const stale = await locateProject(selectionIn(folder.path, { env: { PWD: folder.at('elsewhere') } }));
  expect(stale.name).toBe('shop');
});
