import { expect, test } from 'vitest';
import { composeModelSchema } from '../../src/model/compose.js';
import { configSchema } from '../../src/model/config.js';
import { dataSources } from '../../src/project/data.js';
import { buildOf } from '../../src/project/migration-files.js';
import { absent, configurationOf, paths } from '../support/configuration.js';
import { makeFolder } from '../support/folder.js';
import { aContainer, aPresent } from '../support/planning.js';

/** What is recorded before a move, beside the configuration. */

const { migration_files: DEFAULTS } = configSchema.parse({});

test('by default build files, compose/ and the scripts of a deployment, where they are there', async () => {
  const folder = await makeFolder({
    'compose.yaml': 'services: {}',
    'compose/api/Dockerfile': '',
    'compose/nginx/nginx.conf': '',
    'deploy.sh': '',
    'requirements-dev.txt': '',
    'other.sh': '',
    'deploy/deploy.sh': '',
    'compose/.git/config': '',
  });
  const configuration = await configurationOf(folder, { migrationFiles: DEFAULTS });
  expect(paths(configuration)).toEqual([
    'compose.yaml',
    'compose/api/Dockerfile',
    'compose/nginx/nginx.conf',
    'deploy.sh',
    'requirements-dev.txt',
  ]);
  expect(absent(configuration)).not.toContain('teardown.sh');
  expect(paths(await configurationOf(folder))).toEqual(['compose.yaml']);
});

test('data is no build file, and neither is what is too large or outside', async () => {
  const outside = await makeFolder({ Dockerfile: '' });
  const folder = await makeFolder({
    'compose.yaml': 'services: {}',
    'compose/db/data/table': '',
    'compose/db/seed.sql': '',
    'compose/dump.bin': 'x'.repeat(1 << 20),
  });
  const volumes = [{ type: 'bind', source: folder.at('compose/db/data'), target: '/data' }];
  const model = composeModelSchema.parse({
    services: { db: { volumes, build: { context: outside.path, dockerfile: 'Dockerfile' } } },
  });
  const configuration = await configurationOf(folder, { model, migrationFiles: DEFAULTS });
  expect(paths(configuration)).toEqual(['compose.yaml', 'compose/db/seed.sql']);
  expect(configuration.skipped.map(({ path }) => path)).toEqual([
    outside.at('Dockerfile'),
    'compose/dump.bin',
  ]);
});

test.each<[unknown, string[]]>([
  ['./api', ['/project/api/Dockerfile', '/project/api/Containerfile']],
  [{ context: '/elsewhere' }, ['/elsewhere/Dockerfile', '/elsewhere/Containerfile']],
  [{ context: 'api', dockerfile: 'build/prod.Dockerfile' }, ['/project/api/build/prod.Dockerfile']],
  [{ context: 'api', dockerfile: '/elsewhere/Dockerfile' }, ['/elsewhere/Dockerfile']],
])('a service with build: %j', (build, files) => {
  expect(buildOf({ build }, '/project')?.files).toEqual(files);
});

test.each([
  [{ context: 'https://example.com/repo.git' }],
  ['git@example.com:repo.git'],
  [{ context: '.', dockerfile_inline: 'FROM x' }],
  [undefined],
])('built by no file here: %j', (build) => {
  expect(buildOf({ build }, '/project')).toBeUndefined();
});

test('the backup before a move is neither configuration nor data, whoever lists or mounts it', async () => {
  const folder = await makeFolder({
    'compose.yaml': 'services: {}',
    '.docker-backup/backup-report.txt': '',
    '.docker-backup.old/backup-report.txt': '',
    '.docker-backups/own.txt': '',
  });
  const configuration = await configurationOf(folder, {
    globs: ['**', '.docker-backup/backup-report.txt'],
    migrationFiles: ['**'],
    mounts: [{ source: folder.at('.docker-backup'), read_only: true }],
  });
  expect(paths(configuration)).toEqual(['.docker-backups/own.txt', 'compose.yaml']);

  const mount = { type: 'bind' as const, name: undefined, target: '/data', readOnly: false };
  const mounts = ['.docker-backup', '.docker-backups'].map((path) => ({ ...mount, source: folder.at(path) }));
  const present = aPresent({ services: { api: {} } });
  const api = {
    name: 'api',
    containers: [aContainer('api', 1, { mounts })],
    filesHash: undefined,
    matchesFiles: true,
  };
  const observation = {
    ...present,
    project: { ...present.project, directory: folder.path },
    services: { api },
  };
  const { sources } = await dataSources(observation, {
    services: undefined,
    backupDir: folder.at('rollback/backups'),
    listed: [],
  });
  expect(sources.map(({ name }) => name)).toEqual(['.docker-backups']);
});
