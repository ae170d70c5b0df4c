import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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
  modern?: boolean;
  all?: boolean;
}

/** The model of these files; those that end in `.yaml` are the compose files, in their order. */
async function model(
  texts: Record<string, string>,
  { env = {}, profiles = [], modern = true, all }: Reading = {},
) {
  for (const [name, text] of Object.entries(texts)) await writeFile(join(directory, name), text);
  const files = Object.keys(texts).filter((name) => name.endsWith('.yaml') && name !== 'base.yaml');
  const paths = files.map((name) => join(directory, name));
  const request = { name: 'shop', directory, files: paths, profiles, envFiles: [], env };
  return await readPodmanModel(request, modern, all ?? false);
}

const image = async (text: string, reading: Reading = {}, more: Record<string, string> = {}) =>
  (await model({ 'compose.yaml': `services: { a: { image: "${text}" } }`, ...more }, reading)).services['a']
    ?.image;

describe('variables', () => {
  it('come from the shell before .env; before 1.1 the other way round', async () => {
    const both = { env: { TAG: 'shell' } };
    expect(await image('x:${TAG}', both, { '.env': 'TAG=file' })).toBe('x:shell');
    expect(await image('x:${TAG}', { ...both, modern: false }, { '.env': 'TAG=file' })).toBe('x:file');
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
  expect(await names({ modern: false })).toEqual(['a', 'b']);
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
  await expect(readPodmanModel(request, true, false)).rejects.toMatchObject({
    code: 'provider-failed',
    message: expect.stringContaining('compose.yaml'),
  });
  const text = (entry: string) => ({ 'compose.yaml': `services: { a: { image: x, env_file: [${entry}] } }` });
  await expect(model(text('web.env'))).rejects.toMatchObject({ message: expect.stringContaining('web.env') });
  expect((await model(text('{ path: web.env, required: false }'))).services['a']?.environment).toEqual({});
});
