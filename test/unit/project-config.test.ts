import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { composeModelSchema } from '../../src/model/compose.js';
import { readBackupDir, readConfig, readLabels, type SettingsProblem } from '../../src/project/config.js';
import { makeFolder, projectIn } from '../support/folder.js';

const model = (labels: Record<string, string>) => composeModelSchema.parse({ services: { api: { labels } } });

test('without settings there are defaults', async () => {
  const folder = await makeFolder({ 'compose.yaml': 'services: {}' });
  expect(await readConfig(projectIn(folder))).toEqual({
    max_rollback_points: 10,
    max_deploy_points: 5,
    max_guard_points: 3,
    max_heal_points: 5,
    max_safety_points: 3,
    save_images: 'never',
    include_volumes: false,
    compression: 'zstd',
    data_directories: [],
    config_files: [],
    migration_files: ['compose/**', 'deploy.sh', 'teardown.sh', 'verify.sh', 'requirements*.txt'],
    services: {},
  });
});

test('rollback.yaml, then x-rollback, then labels: later wins, key by key', async () => {
  const folder = await makeFolder({
    'rollback.yaml': `
max_rollback_points: 20
compression: gzip
config_files: [conf/*.ini]
services:
  api: { handler: generic, health_timeout: 45s, needs: [db] }
  redis: { port: 6380 }
`,
    'compose.yaml':
      'x-rollback: { max_rollback_points: 5, services: { api: { health_path: /ready } } }\nservices: {}',
    'compose.override.yaml': 'x-rollback: { services: { api: { health_path: /live } } }',
  });
  const project = projectIn(folder, {
    files: [folder.at('compose.yaml'), folder.at('compose.override.yaml')],
  });
  const labels = {
    'rollback.handler': 'api',
    'rollback.port': '8080',
    'rollback.needs': 'redis, db',
    'rollback.probes': '[{ http: /x, expect: { status: 204 } }]',
    'com.example.rollback.port': '1',
  };
  const config = await readConfig(project);
  const services = await readLabels(config.services, model(labels), expect.unreachable);
  expect({ ...config, services }).toMatchObject({
    max_rollback_points: 5,
    compression: 'gzip',
    config_files: ['conf/*.ini'],
    services: {
      api: {
        handler: 'api',
        port: 8080,
        health_path: '/live',
        health_timeout: 45_000,
        needs: ['redis', 'db'],
        probes: [{ http: '/x', expect: { status: 204 } }],
      },
      redis: { port: 6380 },
    },
  });
});

test.each([
  ['max_points: 3', 'rollback.yaml: unknown key "max_points"; allowed are backup_dir, max_rollback_points'],
  ['max_rollback_points: many', 'rollback.yaml: max_rollback_points: '],
  ['max_deploy_points: 0', 'rollback.yaml: max_deploy_points: Too small'],
  ['max_guard_points: 1.5', 'rollback.yaml: max_guard_points: Invalid input: expected int'],
  ['max_heal_points: 1001', 'rollback.yaml: max_heal_points: Too big'],
  ['compression: lz4', 'rollback.yaml: compression: Invalid option: expected one of "zstd"|"gzip"'],
  [
    'services: { api: { prot: 1 } }',
    'rollback.yaml: services.api: unknown key "prot"; allowed are handler, port, health_path',
  ],
  [
    'services: { api: { probes: [{ http: /x, stauts: 1 }] } }',
    'rollback.yaml: services.api.probes.0: unknown key "stauts"',
  ],
  [
    'services: { api: { health_timeout: soon } }',
    'rollback.yaml: services.api.health_timeout: a duration such as 500ms, 30s, 2m',
  ],
  ['- a list', 'rollback.yaml: it: Invalid input: expected object'],
  ['a: [', 'rollback.yaml is not valid YAML: '],
])('%j is refused: %s', async (text, message) => {
  const folder = await makeFolder({ 'rollback.yaml': text });
  await expect(readConfig(projectIn(folder))).rejects.toMatchObject({
    code: 'config-invalid',
    message: expect.stringContaining(message),
    hint: expect.any(String),
  });
});

test('x-rollback and labels are named when they are wrong', async () => {
  const folder = await makeFolder({ 'compose.yaml': 'x-rollback: { nope: 1 }' });
  await expect(readConfig(projectIn(folder))).rejects.toMatchObject({
    message: expect.stringContaining('x-rollback in compose.yaml: unknown key "nope"'),
  });
});

test('labels of other programs are named and left out, one by one', async () => {
  const labels = {
    'rollback.enable': 'true',
    'rollback.port': 'http',
    'rollback.health_path': '/up',
    'rollback.__proto__': '1',
    'rollback.': 'x',
  };
  const { services } = await readConfig(projectIn(await makeFolder({})));
  const left: string[] = [];
  const read = await readLabels({ ...services }, model(labels), (message) => left.push(message));
  expect(read).toMatchObject({ api: { health_path: '/up', probes: [] } });
  expect(read['api']).not.toHaveProperty('port');
  expect(left).toEqual([
    expect.stringContaining('label "rollback.enable" of service api: services.api: unknown key "enable"'),
    expect.stringContaining('label "rollback.port" of service api: services.api.port: '),
    expect.stringContaining('unknown key "__proto__"'),
    expect.stringContaining('unknown key ""'),
  ]);
});

test.each([
  ['max_points: 3\ncompression: gzip', { compression: 'gzip', max_rollback_points: 10 }, false],
  [
    'services: { api: { prot: 1, port: 80 }, db: { health_timeout: soon } }',
    { services: { api: { port: 80 }, db: {} } },
    false,
  ],
  [
    'services: { api: { probes: [{ http: /x }, { nothing: 1 }], port: 80 } }',
    { services: { api: { port: 80, probes: [] } } },
    false,
  ],
  ['encryption: { recipients: [nobody] }', { encryption: { recipients: [] } }, false],
  ['- a list', { compression: 'zstd' }, false],
  [
    '<<<<<<< HEAD\ncompression: gzip\n=======\ncompression: zstd\n>>>>>>> theirs\n',
    { compression: 'zstd' },
    true,
  ],
])('of %j the valid part is taken when somebody takes the report', async (text, expected, isUnreadable) => {
  const folder = await makeFolder({ 'rollback.yaml': text });
  const problems: SettingsProblem[] = [];
  expect(await readConfig(projectIn(folder), (problem) => problems.push(problem))).toMatchObject(expected);
  expect(problems).toEqual([
    { message: expect.stringMatching(/^rollback.yaml.*it is left out$/), isUnreadable },
  ]);
});

test('a broken compose file blocks no settings, an empty rollback.yaml is none', async () => {
  const folder = await makeFolder({
    'compose.yaml': 'x-rollback: { compression: gzip }\nservices: [',
    'rollback.yml': '# empty\n',
  });
  expect(await readConfig(projectIn(folder))).toMatchObject({ compression: 'gzip' });
});

const PLACES: [string, Record<string, string>, string | undefined][] = [
  ['plain', { 'rollback.yaml': 'backup_dir: /var/points # there\n' }, '/var/points'],
  ['quoted', { 'rollback.yaml': 'backup_dir:   "../points"\n' }, '../points'],
  ['tagged', { 'rollback.yaml': 'backup_dir: !!str with space\n' }, 'with space'],
  ['not there', { 'rollback.yaml': 'max_rollback_points: 3\n' }, undefined],
  [
    'in two places',
    { 'rollback.yml': 'backup_dir: own\n', 'compose.yaml': 'x-rollback: { backup_dir: theirs }' },
    'theirs',
  ],
  ['only deep inside', { 'compose.yaml': 'services: { x-rollback: { backup_dir: no } }' }, undefined],
  ['without files', {}, undefined],
];

test.each(PLACES)('the backup directory, %s', async (_, files, written) => {
  const folder = await makeFolder(files);
  const expected = written === undefined ? undefined : resolve(folder.path, written);
  expect(await readBackupDir(projectIn(folder))).toBe(expected);
  expect((await readConfig(projectIn(folder))).backup_dir).toBe(written);
});
