import { mkdir, readFile, symlink } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import { expect, it } from 'vitest';
import type { Endpoint } from '../../src/engine/endpoint.js';
import type { ComposeRequest } from '../../src/engine/provider.js';
import { findProvider } from '../../src/engine/providers.js';
import { makeFolder, type Folder } from '../support/folder.js';

/** How a compose program is found and called, with scripts in its place. */

const prod: Endpoint = {
  host: 'tcp://prod:2376',
  certPath: '/certs/prod',
  sshAgent: undefined,
  origin: 'docker context "prod"',
};

/** A home with this script as its plug-in, and nothing of the machine's own on the search path. */
async function home(script: string) {
  const folder = await makeFolder();
  const plugin = 'docker/cli-plugins/docker-compose';
  await folder.write({ [plugin]: `#!/bin/sh\n${script}\n` }, 0o755);
  const env = { DOCKER_CONFIG: folder.at('docker'), HOME: folder.path, PATH: '/usr/bin:/bin' };
  return { folder, env };
}

const request = (folder: Folder, env: ComposeRequest['env'], signal?: AbortSignal): ComposeRequest => ({
  name: 'shop',
  directory: folder.path,
  files: [folder.at('compose.yaml')],
  profiles: [],
  envFiles: [],
  env,
  ...(signal === undefined ? {} : { signal }),
});

it('starts no process to find it, and one to tell its version', async () => {
  const { folder, env } = await home('echo x >> "$HOME/called"; echo v2.99.0');
  const provider = await findProvider({ endpoint: prod, env });
  await expect(readFile(folder.at('called'))).rejects.toMatchObject({ code: 'ENOENT' });
  expect([await provider.version(), await provider.version()]).toEqual(['2.99.0', '2.99.0']);
  expect(await readFile(folder.at('called'), 'utf8')).toBe('x\n');
});

it('falls back to docker-compose, and tells version 2 under that name from version 1', async () => {
  const folder = await makeFolder();
  await folder.write(
    { 'two/docker-compose': '#!/bin/sh\necho 2.30.1\n', 'one/docker-compose': '#!/bin/sh\necho 1.29.2\n' },
    0o755,
  );
  const inside = (path: string) =>
    findProvider({
      endpoint: prod,
      env: { HOME: folder.path, PATH: folder.at(path) },
      prefer: 'docker-compose',
    });
  expect((await inside('two')).defaultImage('p', 's', undefined)).toBe('p-s');
  expect((await inside('one')).defaultImage('p', 's', undefined)).toBe('p_s');
});

it('finds a plug-in where only the docker CLI knows it', async () => {
  const { folder, env } = await home('exit 1');
  const config = folder.at('elsewhere/config.json');
  await mkdir(dirname(config), { recursive: true });
  await folder.write({ 'docker-cli': '#!/bin/sh\n[ "$1 $2" = "compose version" ] && echo 2.40.0\n' }, 0o755);
  await mkdir(folder.at('bin'));
  await symlink(folder.at('docker-cli'), folder.at('bin/docker'));
  const provider = await findProvider({
    endpoint: prod,
    env: { ...env, DOCKER_CONFIG: folder.at('elsewhere'), PATH: folder.at('bin') },
    root: folder.path,
  });
  expect([provider.name, await provider.version()]).toEqual(['docker compose', '2.40.0']);
});

it('runs nothing from a relative entry of PATH', async () => {
  const folder = await makeFolder();
  await folder.write({ 'docker-compose': '#!/bin/sh\necho 2.0.0\n' }, 0o755);
  const env = {
    HOME: folder.path,
    DOCKER_CONFIG: folder.path,
    PATH: relative(process.cwd(), folder.path),
  };
  await expect(findProvider({ endpoint: prod, env, prefer: 'docker-compose' })).rejects.toMatchObject({
    code: 'provider-failed',
  });
});

it('says what is missing, and what a provider may be', async () => {
  const env = { HOME: '/nobody', PATH: '/nobody' };
  await expect(findProvider({ endpoint: prod, env, prefer: '/nobody/docker-compose' })).rejects.toMatchObject(
    {
      code: 'provider-failed',
      message: 'the compose provider "/nobody/docker-compose" that was asked for is not there',
    },
  );
  await expect(findProvider({ endpoint: prod, env, prefer: 'rm -rf' })).rejects.toMatchObject({
    code: 'usage',
  });
});

it('gives the child this engine and nothing that would choose another project', async () => {
  const { folder, env } = await home('env > "$HOME/env"; echo "{}"');
  const provider = await findProvider({ endpoint: prod, env });
  const theirs = {
    DOCKER_HOST: 'tcp://other',
    DOCKER_CONTEXT: 'other',
    COMPOSE_FILE: 'f',
    COMPOSE_PROFILES: 'p',
    COMPOSE_PROJECT_NAME: 'n',
    COMPOSE_ENV_FILES: 'e',
    COMPOSE_PATH_SEPARATOR: ';',
  };
  await provider.config(request(folder, { ...env, ...theirs }));
  const given = (await readFile(folder.at('env'), 'utf8'))
    .split('\n')
    .filter((line) => /^(?:DOCKER|COMPOSE)_/.test(line));
  expect(given.toSorted()).toEqual([
    'COMPOSE_IGNORE_ORPHANS=true',
    'COMPOSE_PROFILES=',
    'COMPOSE_REMOVE_ORPHANS=false',
    'DOCKER_CERT_PATH=/certs/prod',
    `DOCKER_CONFIG=${env.DOCKER_CONFIG}`,
    'DOCKER_HOST=tcp://prod:2376',
    'DOCKER_TLS_VERIFY=1',
  ]);
});

it('ends the child when aborted', async () => {
  const { folder, env } = await home('echo $$ > "$HOME/pid"; exec sleep 100');
  const provider = await findProvider({ endpoint: prod, env });
  const controller = new AbortController();
  const going = provider.config(request(folder, env, controller.signal));
  const reason = new Error('enough');
  await expect.poll(() => readFile(folder.at('pid'), 'utf8'), { timeout: 20_000 }).toMatch(/^\d+\n$/);
  const pid = Number(await readFile(folder.at('pid'), 'utf8'));
  controller.abort(reason);
  await expect(going).rejects.toBe(reason);
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});

it('keeps the last 20 lines of a failure, and no value of the environment', async () => {
  const { folder, env } = await home(
    'i=0; while [ $i -lt 30 ]; do echo "line $i" >&2; i=$((i+1)); done; exit 14',
  );
  const provider = await findProvider({ endpoint: prod, env });
  const failure = await provider
    .config(request(folder, { ...env, SECRET: 'hunter2' }))
    .catch((thrown: unknown) => thrown);
  expect(failure).toMatchObject({
    code: 'provider-failed',
    message: `\`docker compose config\` for project shop failed (exit code 14)`,
    details: Array.from({ length: 20 }, (_, index) => `line ${index + 10}`),
  });
  expect(JSON.stringify(failure)).not.toContain('hunter2');
});
