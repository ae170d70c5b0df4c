import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dialectOf, separatorOf } from '../../src/engine/podman-compose-dialect.js';
import { readPodmanModel } from '../../src/engine/podman-compose-model.js';

/** The files as podman-compose understands them. That it is so is seen against the program itself, in `test/conformance/podman-compose.test.ts`. */

let directory: string;

beforeEach(async () => {
  directory = await realpath(await mkdtemp(join(tmpdir(), 'cr-pcm-')));
});
afterEach(() => rm(directory, { recursive: true }));

interface Reading {
  env?: Record<string, string>;
  profiles?: string[];
  /** Of podman-compose; 1.3.0 when absent. */
  version?: string;
  all?: boolean;
}

/** The model of these files; those that end in `.yaml` are the compose files, in their order. */
async function model(
  texts: Record<string, string>,
  { env = {}, profiles = [], version = '1.3.0', all }: Reading = {},
) {
  for (const [name, text] of Object.entries(texts)) await writeFile(join(directory, name), text);
  const files = Object.keys(texts).filter((name) => name.endsWith('.yaml') && name !== 'base.yaml');
  const paths = files.map((name) => join(directory, name));
  const request = { name: 'shop', directory, files: paths, profiles, envFiles: [], env };
  return await readPodmanModel(request, dialectOf(version), all ?? false);
}

const image = async (text: string, reading: Reading = {}, more: Record<string, string> = {}) =>
  (await model({ 'compose.yaml': `services: { a: { image: "${text}" } }`, ...more }, reading)).services['a']
    ?.image;

describe('variables', () => {
  it('come from the shell before .env; before 1.1 the other way round', async () => {
    const both = { env: { TAG: 'shell' } };
    expect(await image('x:${TAG}', both, { '.env': 'TAG=file' })).toBe('x:shell');
    expect(await image('x:${TAG}', { ...both, version: '1.0.3' }, { '.env': 'TAG=file' })).toBe('x:file');
  });

  it.each([
    ['x:${TAG:-1}', 'x:1'],
    ['${HUB-hub}/x', 'hub/x'],
    ['x$$y', 'x$y'],
    ['${COMPOSE_PROJECT_NAME}:1', 'shop:1'],
  ])('%s', async (text, expected) => {
    expect(await image(text)).toBe(expected);
  });

  it('are refused by name when they are required and missing, or empty', async () => {
    const refused = { code: 'provider-failed', details: [expect.stringContaining('TAG')] };
    await expect(image('x:${TAG:?no tag}')).rejects.toMatchObject(refused);
    await expect(image('x:${TAG:?no tag}', { env: { TAG: '' } })).rejects.toMatchObject(refused);
    expect(await image('x:${TAG?no tag}', { env: { TAG: '' } })).toBe('x:');
  });
});

it('later files add to lists and maps, and replace the rest', async () => {
  const { services } = await model(
    {
      'a.yaml': `services: { a: { image: one, command: [a, b], labels: [l=1], environment: { A: 1 }, expose: ['1'],
      volumes: ['data:/data', './x:/x'] } }
volumes: { data: , other: }`,
      'b.yaml': `services: { a: { image: two, command: [c], labels: { m: 2 }, environment: [B], expose: ['2'], volumes: ['other:/data'] } }`,
    },
    { env: { B: 'given' } },
  );
  expect(services['a']).toMatchObject({
    image: 'two',
    command: ['c'],
    labels: { l: '1', m: '2' },
    environment: { A: '1', B: 'given' },
    expose: ['1', '2'],
    volumes: [
      { type: 'bind', source: join(directory, 'x'), target: '/x' },
      { type: 'volume', source: 'other', target: '/data' },
    ],
  });
});

it('what is extended comes first, from this file or another, and circles end', async () => {
  const { services } = await model({
    'base.yaml': `services: { root: { image: far, environment: { A: 1, B: 1 } } }`,
    'compose.yaml': `
services:
  near: { extends: { service: root, file: base.yaml }, environment: { B: 2 } }
  a: { extends: near, environment: { C: 3 } }
  round: { image: x, extends: { service: about } }
  about: { extends: { service: round } }
`,
  });
  expect(services['a']).toMatchObject({ image: 'far', environment: { A: '1', B: '2', C: '3' } });
  expect(services['about']?.image).toBe('x');
});

it('profiles count from 1.1 on', async () => {
  const files = { 'compose.yaml': 'services: { a: { image: x }, b: { image: x, profiles: [debug] } }' };
  const names = async (reading: Reading) => Object.keys((await model(files, reading)).services);
  expect(await names({})).toEqual(['a']);
  expect(await names({ profiles: ['debug'] })).toEqual(['a', 'b']);
  expect(await names({ all: true })).toEqual(['a', 'b']);
  expect(await names({ version: '1.0.3' })).toEqual(['a', 'b']);
});

it('ports may be ranges, and what is built lies where the file says', async () => {
  const { services } = await model({
    'compose.yaml': `services: { a: { build: ./img, ports: ['127.0.0.1:8000-8001:90-91/udp', '70-71', 80] } }`,
  });
  expect(services['a']).toMatchObject({
    build: { context: join(directory, 'img') },
    ports: [
      { target: 90, published: '8000', host_ip: '127.0.0.1', protocol: 'udp' },
      { target: 91, published: '8001', host_ip: '127.0.0.1', protocol: 'udp' },
      { target: 70 },
      { target: 71 },
      { target: 80 },
    ],
  });
});

it.each([
  ['broken', 'services: { a: ['],
  ['of another shape', 'services: { a: { image: [x] } }'],
])('files that are %s are refused', async (_how, text) => {
  await expect(model({ 'compose.yaml': text })).rejects.toMatchObject({ code: 'provider-failed' });
});

it('a file that is gone is refused with its name, and so is an env file that is needed', async () => {
  const gone = (await model({ 'compose.yaml': 'services: {}' }), rm(join(directory, 'compose.yaml')));
  await gone;
  const request = {
    name: 'shop',
    directory,
    files: [join(directory, 'compose.yaml')],
    profiles: [],
    envFiles: [],
    env: {},
  };
  await expect(readPodmanModel(request, dialectOf('1.3.0'), false)).rejects.toMatchObject({
    code: 'provider-failed',
    message: expect.stringContaining('compose.yaml'),
  });
  const text = (entry: string) => ({ 'compose.yaml': `services: { a: { image: x, env_file: [${entry}] } }` });
  await expect(model(text('web.env'))).rejects.toMatchObject({ message: expect.stringContaining('web.env') });
  expect((await model(text('{ path: web.env, required: false }'))).services['a']?.environment).toEqual({});
});

it('containers are as many as `deploy` says, and from 1.4 on as `scale` says', async () => {
  const files = {
    'compose.yaml': `
services:
  a: { image: x, scale: 2 }
  b: { image: x, deploy: { replicas: 3 } }
  c: { image: x, deploy: { mode: replicated, replicas: 4 } }
`,
  };
  const counts = async (version: string) => {
    const { services } = await model(files, { version });
    return ['a', 'b', 'c'].map((name) => [services[name]?.scale, services[name]?.deploy?.replicas]);
  };
  expect(await counts('1.3.0')).toEqual([
    [undefined, undefined],
    [undefined, 3],
    [undefined, 4],
  ]);
  expect(await counts('1.6.0')).toEqual([
    [2, undefined],
    [undefined, undefined],
    [undefined, 4],
  ]);
});

describe('names are joined', () => {
  const joined = async (section: string, reading: Reading = {}, more: Record<string, string> = {}) => {
    const text = `services: { a: { build: . } }\nnetworks: { back: , own: { name: mine } }\nvolumes: { data: }\n`;
    const found = await model({ 'compose.yaml': text + section, ...more }, { version: '1.6.0', ...reading });
    const { networks, volumes } = found;
    const names = [networks['default']?.name, networks['back']?.name, networks['own']?.name];
    return [separatorOf(found), ...names, volumes['data']?.name];
  };
  const underscores = ['_', 'shop_default', 'shop_back', 'mine', 'shop_data'];
  const hyphens = ['-', 'shop-default', 'shop-back', 'mine', 'shop_data'];

  it.each([
    ['by underscores', '', underscores],
    ['by hyphens', 'x-podman: { name_separator_compat: true }', hyphens],
    ["as docker compose's are", 'x-podman: { docker_compose_compat: true }', hyphens],
    [
      'by underscores in spite of that',
      'x-podman: { docker_compose_compat: true, name_separator_compat: false }',
      underscores,
    ],
  ])('%s', async (_, section, expected) => {
    expect(await joined(section)).toEqual(expected);
  });

  it('as variables say, of the shell or of .env', async () => {
    const env = { PODMAN_COMPOSE_NAME_SEPARATOR_COMPAT: '1' };
    expect(await joined('x-podman: { name_separator_compat: false }', { env })).toEqual(hyphens);
    expect(await joined('', {}, { '.env': 'PODMAN_COMPOSE_DOCKER_COMPOSE_COMPAT=true' })).toEqual(hyphens);
  });

  it('by underscores before 1.5', async () => {
    expect(await joined('x-podman: { name_separator_compat: true }', { version: '1.4.1' })).toEqual(
      underscores,
    );
  });

  it('by what a model says that docker compose made of the same files', () => {
    const base = { services: {}, networks: {}, volumes: {}, configs: {}, secrets: {} };
    expect(separatorOf({ ...base, 'x-podman': { docker_compose_compat: true } })).toBe('-');
    expect(separatorOf(base)).toBe('_');
    expect(separatorOf(undefined)).toBe('_');
  });
});
