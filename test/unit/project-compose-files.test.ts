import { relative } from 'node:path';
import { expect, test } from 'vitest';
import { readComposeFiles } from '../../src/project/compose-files.js';
import { makeFolder, projectIn, type Folder } from '../support/folder.js';

async function read(folder: Folder, more: Parameters<typeof projectIn>[1] = {}, env = {}) {
  const sources = await readComposeFiles(projectIn(folder, more), env);
  const shorten = (paths: string[]) => paths.map((path) => relative(folder.path, path)).toSorted();
  return {
    ...sources,
    files: shorten(sources.files),
    envFiles: shorten(sources.envFiles),
    resourceFiles: shorten(sources.resourceFiles),
  };
}

test('anchors, merge keys, several files, and everything compose interpolates', async () => {
  const folder = await makeFolder({
    'compose.yaml': `
x-common: &common
  restart: unless-stopped
  environment: &env
    LOG_LEVEL: \${LOG_LEVEL:-info}
    PASSED_ON:
services:
  api:
    <<: *common
    image: "shop/api:\${TAG:-v1}"
    ports: ["\${PORT:-8080}:80", { published: "\${ADMIN_PORT}", target: 90 }]
    command: ["serve", "--name=$NAME"]
    build: { context: ., args: [BUILD_ARG, FIXED=1] }
  web:
    <<: *common
    image: nginx:\${NGINX:?needed}
    environment:
      <<: *env
      MORE: "\${MORE:+yes}"
  job: { image: busybox, environment: [JOB_KEY, "OTHER=\${A:-\${B:-c}}", "PRICE=$$5"] }
secrets:
  token: { environment: TOKEN }
`,
    'compose.override.yaml':
      'services: { api: { image: "shop/api:${OVERRIDE_TAG}", ports: !override ["81:80"], labels: !reset [] } }',
  });
  const sources = await read(folder, {
    files: [folder.at('compose.yaml'), folder.at('compose.override.yaml')],
  });
  expect(sources.files).toEqual(['compose.override.yaml', 'compose.yaml']);
  expect(sources.variables).toEqual([
    'A',
    'ADMIN_PORT',
    'B',
    'BUILD_ARG',
    'JOB_KEY',
    'LOG_LEVEL',
    'MORE',
    'NAME',
    'NGINX',
    'OVERRIDE_TAG',
    'PASSED_ON',
    'PORT',
    'TAG',
    'TOKEN',
  ]);
  const { api, web, job } = sources.services;
  expect(api?.image).toBe('shop/api:${OVERRIDE_TAG}');
  expect(api?.command).toBe('serve --name=$NAME');
  expect(api?.ports).toEqual(['${PORT:-8080}:80', '${ADMIN_PORT}:90', '81:80']);
  expect(Object.fromEntries(web?.environment ?? [])).toEqual({
    LOG_LEVEL: '${LOG_LEVEL:-info}',
    PASSED_ON: '${PASSED_ON}',
    MORE: '${MORE:+yes}',
  });
  expect(job?.environment.get('JOB_KEY')).toBe('${JOB_KEY}');
  expect([...(job?.variables ?? [])]).toEqual(['A', 'B', 'JOB_KEY']);
});

test('includes with a project directory and env files, nested, and in a circle', async () => {
  const folder = await makeFolder({
    'compose.yaml': `
include:
  - monitoring/compose.yaml
  - path: [db/base.yaml, db/prod.yaml]
    project_directory: data
    env_file: [db/db.env, "\${EXTRA:-none.env}"]
`,
    'monitoring/compose.yaml':
      'include: [alerts/compose.yaml]\nservices: { prom: { image: p, env_file: prom.env } }',
    'monitoring/alerts/compose.yaml': 'include: [{ path: ../compose.yaml }]\nservices: { am: { image: a } }',
    'db/base.yaml': 'services: { db: { image: "pg:$PG", env_file: [{ path: pg.env, required: false }] } }',
    'db/prod.yaml': 'services: { db: { labels: { a: "$LABEL" } } }',
  });
  const sources = await read(folder, {}, { EXTRA: 'extra.env' });
  expect(sources.files).toEqual([
    'compose.yaml',
    'db/base.yaml',
    'db/prod.yaml',
    'monitoring/alerts/compose.yaml',
    'monitoring/compose.yaml',
  ]);
  expect(sources.envFiles).toEqual([
    'data/pg.env',
    'db/db.env',
    'extra.env',
    'monitoring/.env',
    'monitoring/alerts/.env',
    'monitoring/prom.env',
  ]);
  expect(sources.variables).toEqual(['EXTRA', 'LABEL', 'PG']);
  expect(Object.keys(sources.services).toSorted()).toEqual(['am', 'db', 'prom']);
});

test('extends: chains over files, within a file, and in a circle', async () => {
  const folder = await makeFolder({
    'compose.yaml': `
services:
  api: { extends: { file: common/base.yaml, service: app }, environment: { MINE: "$MINE" } }
  twin: { extends: api }
  round: { extends: { service: square } }
  square: { extends: { service: round } }
`,
    'common/base.yaml': `
services:
  app: { extends: { file: deep/root.yaml, service: root }, image: "app:$TAG", env_file: app.env }
  unused: { image: "x:$UNUSED", env_file: unused.env }
`,
    'common/deep/root.yaml': 'services: { root: { env_file: [root.env], label_file: root.labels } }',
  });
  const sources = await read(folder);
  expect(sources.files).toEqual(['common/base.yaml', 'common/deep/root.yaml', 'compose.yaml']);
  expect(sources.envFiles).toEqual(['common/app.env', 'common/deep/root.env', 'common/deep/root.labels']);
  // Compose interpolates the whole file, whichever service is taken from it.
  expect(sources.variables).toEqual(['MINE', 'TAG', 'UNUSED']);
  expect(sources.services['twin']).toMatchObject({ image: 'app:$TAG', hasEnvFiles: true });
  expect([...(sources.services['twin']?.variables ?? [])].toSorted()).toEqual(['MINE', 'TAG']);
});

test('env files pass shell variables on, and their comments do not', async () => {
  const folder = await makeFolder({
    'compose.yaml': 'services: { api: { image: x, env_file: api.env } }',
    '.env': '# $COMMENT\nTAG=${CI_TAG:-v1}\nOWN=1\nUSES=$OWN\nPLAIN=a b\n',
    'api.env': 'FROM_SHELL\nexport KEY=${SECRET}\n',
  });
  expect((await read(folder)).variables).toEqual(['CI_TAG', 'FROM_SHELL', 'SECRET']);
});

test("the project's own name is no variable", async () => {
  const folder = await makeFolder({
    'compose.yaml': 'secrets: { s: { file: "${COMPOSE_PROJECT_NAME}.txt" } }',
    '.env': 'X=${COMPOSE_PROJECT_NAME}',
  });
  expect(await read(folder)).toMatchObject({ variables: [], resourceFiles: ['shop.txt'] });
});

test('files of configs and secrets, with variables in their paths', async () => {
  const folder = await makeFolder({
    'compose.yaml':
      'configs: { a: { file: "./${DIR}/a.conf" }, b: { external: true } }\nsecrets: { s: { file: s.txt } }',
    '.env': 'DIR=conf',
  });
  expect((await read(folder)).resourceFiles).toEqual(['conf/a.conf', 's.txt']);
});

test.each([
  ['not YAML', 'services: [\n  api: {'],
  ['no map', '- just\n- a list'],
  ['empty', ''],
  ['a tab', 'services:\n\tapi: {}'],
  [
    'wrong types',
    'include: 7\nservices: { api: [], db: 5, web: { extends: 3, env_file: { a: 1 }, environment: 4, ports: "80" } }\nconfigs: x',
  ],
  ['unknown alias', 'a: *nobody'],
  ['itself', 'a: &a [*a]'],
  [
    'a bomb',
    `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
      .split('')
      .map((key, index) => `${key}: &${key} [${Array(9).fill(`*${'abcdefg'[index]}`).join()}]`)
      .join('\n')}`,
  ],
])('a file that is %s does not fail', async (_, text) => {
  const folder = await makeFolder({ 'compose.yaml': text });
  expect((await read(folder)).files).toEqual(['compose.yaml']);
});

test('what can be read of a broken file is read; a missing one is named', async () => {
  const folder = await makeFolder({
    'compose.yaml': 'services:\n  api:\n    image: "app:${TAG}"\n    bad: [\n',
  });
  const sources = await read(folder, { files: [folder.at('compose.yaml'), folder.at('gone.yaml')] });
  expect(sources.files).toEqual(['compose.yaml', 'gone.yaml']);
  expect(sources.variables).toEqual(['TAG']);
});
