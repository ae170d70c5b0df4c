import { mkdir, rm } from 'node:fs/promises';
import { execa } from 'execa';
import { beforeAll, expect, test } from 'vitest';
import { discoverEngine } from '../../src/engine/discovery.js';
import type { Engine } from '../../src/engine/engine.js';
import type { ComposeProvider } from '../../src/engine/provider.js';
import { findProvider } from '../../src/engine/providers.js';
import type { Observation, ProjectSelection } from '../../src/model/project.js';
import { fingerprint, observe, type ObserveInput } from '../../src/project/observe.js';
import { beginReading } from '../../src/project/reading.js';
import { findProject, locateIfAny } from '../../src/project/refine.js';
import { connectTestEngine, docker, testProject, type TestProject } from '../support/engine.js';

/** What a real compose and a real engine do, and what we then make of it. */

let engine: Engine;
let provider: ComposeProvider;

beforeAll(async () => {
  engine = await connectTestEngine();
  const endpoint = await discoverEngine({ engine: 'auto', env: process.env });
  provider = await findProvider({ endpoint, env: process.env });
});

const SLEEP = 'command: [sleep, "600"], stop_signal: SIGKILL';

/** The project as found from its folder, by name because tests need one of their own. */
async function observed(
  project: TestProject,
  selection: Partial<ProjectSelection> = {},
  more: Partial<ObserveInput> = {},
): Promise<Observation> {
  const env = { ...process.env, ...selection.env };
  const asked = { cwd: project.directory, projectName: project.name, ...selection, env };
  const found = await findProject(asked, engine);
  return observe({
    ...found,
    engine,
    provider,
    config: { config_files: [] },
    backupDir: project.path('rollback/backups'),
    env,
    ...more,
  });
}

/** `docker compose up` with variables that nobody knows of later. */
async function up(project: TestProject, env: Record<string, string>, ...argv: string[]): Promise<void> {
  const words = ['compose', '-p', project.name, ...argv, 'up', '-d', '--no-build'];
  await execa('docker', words, { cwd: project.directory, env, stdin: 'ignore' });
}

const paths = ({ configuration }: Observation) =>
  configuration.entries.filter(({ type }) => type !== 'absent').map(({ path }) => path);
const valueOf = (observation: Observation, name: string) =>
  observation.variables.find((variable) => variable.name === name);

test('a stack that runs as its files say: everything is there, nothing is complained about', async () => {
  const project = await testProject('pjplain');
  await project.write({
    'compose.yaml': `
services:
  api:
    image: busybox:latest
    command: [sleep, "600"]
    stop_signal: SIGKILL
    scale: 2
    environment: { PRICE: "$$5", LEVEL: "\${LEVEL:-info}" }
    labels: { note: "a$$b" }
    env_file: api.env
    volumes: ["./conf:/conf:ro", "./app.ini:/app.ini", "./data:/data", "/var/run/docker.sock:/var/run/docker.sock"]
    depends_on: [db]
  db: { image: busybox:latest, ${SLEEP}, healthcheck: { test: [CMD, "true"], interval: 30s } }
  net: { image: busybox:latest, ${SLEEP}, network_mode: "service:db" }
  once: { image: busybox:latest, command: ["true"] }
`,
    'api.env': 'FROM_FILE=yes\n',
    'conf/a.ini': 'a',
    'app.ini': 'x',
    'data/file': 'd',
  });
  await project.compose('up', '-d');
  const observation = await observed(project);
  expect(observation.warnings).toEqual([]);
  expect(observation.modelError).toBeUndefined();
  expect(observation.services['api']?.containers.map(({ number }) => number)).toEqual([1, 2]);
  expect(Object.keys(observation.services)).toEqual(['api', 'db', 'net', 'once']);
  const { db, net, api } = observation.services;
  expect(db?.filesHash).toBe(db?.containers[0]?.configHash);
  // What this compose cannot tell is not told.
  expect([undefined, api?.containers[0]?.configHash]).toContain(api?.filesHash);
  expect([undefined, net?.containers[0]?.configHash]).toContain(net?.filesHash);
  expect(paths(observation)).toEqual(['api.env', 'app.ini', 'compose.yaml', 'conf', 'conf/a.ini']);
  expect(observation.configuration.directories).toEqual(['conf']);
  expect(observation.configuration.skipped).toEqual([]);
  const id = db?.containers[0]?.imageId ?? '';
  expect(observation.images['busybox:latest']?.id).toBe(id);
  expect(observation.images[id]?.id).toBe(id);
  expect(observation.project).toMatchObject({ origin: 'default', directory: project.directory });
  expect(observation.provider.version).toMatch(/^\d+\.\d+/);
});

test('TAG=v2 docker compose up, then asked without TAG: the tag is found, and its hash is right', async () => {
  const project = await testProject('pjtag');
  const image = `${project.name}-app`;
  for (const tag of ['v1', 'v2']) await docker('tag', 'busybox:latest', `${image}:${tag}`);
  await project.write({
    'compose.yaml': `
services:
  api: { image: "${image}:\${TAG:-v1}", ${SLEEP}, environment: { KEY: "\${KEY:-}" } }
  db: { image: "busybox:latest", ${SLEEP} }
`,
  });
  await up(project, { TAG: 'v2', KEY: 'hunter2' });
  const observation = await observed(project);
  expect(valueOf(observation, 'TAG')).toEqual({ name: 'TAG', value: 'v2', source: 'container' });
  expect(valueOf(observation, 'KEY')).toMatchObject({ value: 'hunter2', source: 'container' });
  expect(observation.model?.services['api']?.image).toBe(`${image}:v2`);
  const { api } = observation.services;
  expect(api?.filesHash).toBe(api?.containers[0]?.configHash);
  expect(observation.warnings.join()).not.toMatch(/hunter2|v2/);
  const told = await observed(project, { env: { TAG: 'v2', KEY: 'hunter2' } });
  expect(valueOf(told, 'TAG')?.source).toBe('shell');
  expect(told.warnings).toEqual([]);

  await project.write({
    'compose.yaml': `services: { api: { image: "${image}:\${TAG:?needed}", ${SLEEP} } }`,
  });
  await up(project, { TAG: 'v2' });
  const required = await observed(project);
  expect(required.modelError).toBeUndefined();
  expect(valueOf(required, 'TAG')).toMatchObject({ value: 'v2', source: 'container' });
});

test('files that were edited and not applied are named by their service alone', async () => {
  const project = await testProject('pjedit');
  const text = (secret: string) =>
    `services: { api: { image: busybox:latest, ${SLEEP}, environment: { KEY: "${secret}" } }, db: { image: busybox:latest, ${SLEEP} } }`;
  await project.write({ 'compose.yaml': text('before-s3cret') });
  await project.compose('up', '-d');
  await project.write({ 'compose.yaml': text('after-s3cret') });
  const observation = await observed(project);
  expect(observation.warnings).toEqual(['api runs with other settings than its files give now']);
  const { api } = observation.services;
  expect(api?.filesHash).not.toBe(api?.containers[0]?.configHash);
  expect(api?.filesHash).toMatch(/^[0-9a-f]{64}$/);
});

test('a compose file that no longer parses, or is gone, is still observed', async () => {
  const project = await testProject('pjbroken');
  await project.write({ 'compose.yaml': `services: { api: { image: busybox:latest, ${SLEEP} } }` });
  await project.compose('up', '-d');
  await project.write({ 'compose.yaml': 'services:\n  api: [\n', '.env': 'A=1' });
  const broken = await observed(project);
  expect(broken.model).toBeUndefined();
  expect(broken.modelError).toMatch(/yaml/);
  expect(broken.services['api']?.containers).toHaveLength(1);
  expect(paths(broken)).toEqual(['.env', 'compose.yaml']);

  await rm(project.path('compose.yaml'));
  const gone = await observed(project, {});
  expect(gone.project).toMatchObject({ directory: project.directory, origin: 'default' });
  expect(gone.modelError).toEqual(expect.any(String));
  expect(gone.configuration.entries).toContainEqual({ path: 'compose.yaml', type: 'absent' });

  // And without -p: the containers that were started here know the name.
  const { project: found } = await findProject({ cwd: project.directory, env: {} }, engine);
  expect(found.name).toBe(project.name);
});

test('-f a -f b, then asked without -f: the labels know', async () => {
  const project = await testProject('pjlabels');
  await project.write({
    'compose.yaml': 'services: { other: { image: busybox:latest } }',
    'a.yaml': `services: { api: { image: busybox:latest, ${SLEEP} } }`,
    'b.yaml': 'services: { api: { environment: { B: "1" } } }',
  });
  await up(project, {}, '-f', 'a.yaml', '-f', 'b.yaml');
  const observation = await observed(project);
  expect(observation.project).toMatchObject({
    origin: 'labels',
    files: [project.path('a.yaml'), project.path('b.yaml')],
  });
  expect(paths(observation)).toEqual(['a.yaml', 'b.yaml']);
  expect(Object.keys(observation.services)).toEqual(['api']);
  expect(observation.warnings).toEqual([expect.stringContaining('a.yaml, ')]);
});

test('started from another folder, and asked for from a third one by name', async () => {
  const project = await testProject('pjelse');
  await project.write({ 'stack/compose.yaml': `services: { api: { image: busybox:latest, ${SLEEP} } }` });
  await mkdir(project.path('start'));
  const start = { cwd: project.path('start'), stdin: 'ignore' as const };
  await execa('docker', ['compose', '-p', project.name, '-f', '../stack/compose.yaml', 'up', '-d'], start);
  await mkdir(project.path('third'));
  for (const cwd of [project.path('third'), project.path('stack')]) {
    const observation = await observed(project, { cwd });
    expect(observation.project).toMatchObject({ directory: project.path('stack'), origin: 'default' });
    expect(observation.warnings).toEqual([]);
  }
});

test('profiles that were active are active again', async () => {
  const project = await testProject('pjprof');
  await project.write({
    'compose.yaml': `
services:
  api: { image: busybox:latest, ${SLEEP} }
  debug: { image: busybox:latest, ${SLEEP}, profiles: [debug] }
  idle: { image: busybox:latest, profiles: [idle] }
`,
  });
  await up(project, {}, '--profile', 'debug');
  const observation = await observed(project);
  expect(observation.project.profiles).toEqual(['debug']);
  expect(Object.keys(observation.services)).toEqual(['api', 'debug']);
  const { debug } = observation.services;
  expect(debug?.filesHash).toBe(debug?.containers[0]?.configHash);
  await project.compose('--profile', 'debug', 'down');
  expect((await observed(project)).project.profiles).toEqual([]);
});

test('docker-compose version 1: its containers, files and variables', async () => {
  const legacy = process.env['COMPOSE_V1'];
  if (legacy === undefined) throw new Error('COMPOSE_V1 is not set: eval "$(scripts/lab.sh env)"');
  const project = await testProject('pjone');
  const image = `${project.name}-app`;
  for (const tag of ['v1', 'v2']) await docker('tag', 'busybox:latest', `${image}:${tag}`);
  await project.write({
    'a.yaml': `version: "3.8"\nservices: { api: { image: "${image}:\${TAG:-v1}", ${SLEEP} } }`,
    'compose.yaml': 'services: {}',
  });
  await execa(legacy, ['-p', project.name, '-f', 'a.yaml', 'up', '-d'], {
    cwd: project.directory,
    env: { TAG: 'v2' },
    stdin: 'ignore',
  });
  const endpoint = await discoverEngine({ engine: 'auto', env: process.env });
  const version1 = await findProvider({ endpoint, env: process.env, prefer: legacy });
  for (const asked of [version1, provider]) {
    const observation = await observed(project, {}, { provider: asked });
    expect(observation.project).toMatchObject({ origin: 'labels', files: [project.path('a.yaml')] });
    expect(valueOf(observation, 'TAG')).toMatchObject({ value: 'v2', source: 'container' });
    expect(observation.services['api']?.containers).toHaveLength(1);
  }
});

test('what a target point holds is looked at too', async () => {
  const project = await testProject('pjtarget');
  await project.write({
    'compose.yaml': `services: { api: { image: busybox:latest, ${SLEEP} } }`,
    'now/new': '',
    'old.conf': 'x',
  });
  const missing = `sha256:${'f'.repeat(64)}`;
  const image = {
    id: missing,
    ref: 'busybox:latest',
    kept_tag: 'compose-rollback/pj:none',
    digests: [],
    platform: '',
    diff_ids: [],
    config_digest: null,
    tag_id: null,
  };
  const observation = await observed(
    project,
    {},
    {
      target: {
        entries: [
          { path: 'old.conf', type: 'absent' },
          { path: 'gone.conf', type: 'absent' },
        ],
        outside: [],
        directories: ['now'],
        images: { api: image },
      },
    },
  );
  expect(paths(observation)).toEqual(['compose.yaml', 'now', 'now/new', 'old.conf']);
  expect(observation.configuration.entries).toContainEqual({ path: 'gone.conf', type: 'absent' });
  expect(observation.images).toMatchObject({ [missing]: null, 'compose-rollback/pj:none': null });
  expect(observation.images['busybox:latest']).not.toBeNull();
});

test('the fingerprint is the same for the same present, and another when a container or file changed', async () => {
  const project = await testProject('pjprint');
  await project.write({ 'compose.yaml': `services: { api: { image: busybox:latest, ${SLEEP} } }` });
  await project.compose('up', '-d');
  const first = await observed(project);
  const second = await observed(project);
  expect(second.takenAt).not.toBe(first.takenAt);
  expect(fingerprint(second)).toBe(fingerprint(first));
  await project.write({ '.env': 'A=1' });
  const third = fingerprint(await observed(project));
  expect(third).not.toBe(fingerprint(first));
  await project.compose('restart', 'api');
  expect(fingerprint(await observed(project))).toBe(third);
  await project.compose('kill', 'api');
  expect(fingerprint(await observed(project))).not.toBe(third);
});

test('a reading begun early is taken when the project is the same, and not when it is another', async () => {
  const project = await testProject('pjearly');
  await project.write({
    'compose.yaml': 'services: { other: { image: busybox:latest } }',
    'a.yaml': `services: { api: { image: busybox:latest, ${SLEEP} } }`,
  });
  const selection = { cwd: project.directory, projectName: project.name, env: process.env };
  const begin = async () => {
    const located = await locateIfAny(selection);
    if (!located) throw new Error('not located');
    return beginReading(provider, located, process.env);
  };
  const taken = await observed(project, {}, { early: await begin() });
  expect(Object.keys(taken.model?.services ?? {})).toEqual(['other']);
  await up(project, {}, '-f', 'a.yaml');
  const anew = await observed(project, {}, { early: await begin() });
  expect(Object.keys(anew.model?.services ?? {})).toEqual(['api']);
});

test('an interrupted observation throws what interrupted it', async () => {
  const project = await testProject('pjstop');
  await project.write({ 'compose.yaml': `services: { api: { image: busybox:latest } }` });
  const reason = new Error('enough');
  await expect(observed(project, {}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});
