import { describe, expect, it } from 'vitest';
import { discoverEngine } from '../../src/engine/discovery.js';
import { runProgram } from '../../src/engine/program.js';
import type { ComposeRequest } from '../../src/engine/provider.js';
import { findProvider } from '../../src/engine/providers.js';
import { docker, testProject, type TestProject } from '../support/engine.js';
import { providerSuite } from './provider-suite.js';

/**
 * Compose 1.29, as the lab unpacks it, on an engine of its time: it replaces no container on Docker 25 and later, whose images have no
 * `ContainerConfig`. Our program removes containers first, and end-to-end tests on today's Docker show that.
 */

const legacy = process.env.COMPOSE_V1 ?? '/COMPOSE_V1-is-not-set';

const endpoint = () => discoverEngine({ engine: 'auto', env: process.env });
const version1 = async () => findProvider({ endpoint: await endpoint(), env: process.env, prefer: legacy });

const v1 = (project: TestProject, ...words: string[]) =>
  runProgram([legacy, '-p', project.name, ...words], { cwd: project.directory, env: process.env });

providerSuite('docker-compose, version 1', version1);

describe('what version 1 does otherwise', () => {
  it('pulls what is missing, and knows no --pull that would forbid it', async () => {
    const project = await testProject('engv1');
    await project.write({ 'compose.yaml': `services: { a: { image: "127.0.0.1:1/x:1" } }` });
    const { exitCode, stderr } = await v1(project, 'up', '-d', '--no-deps', '--no-build', 'a');
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('Pulling a (127.0.0.1:1/x:1)')]);
    expect((await v1(project, 'up', '--help')).stdout).not.toMatch(/ --pull\b/);
  });

  it('refuses --detach with --no-start', async () => {
    const project = await testProject('engv1');
    await project.write({ 'compose.yaml': `services: { a: { image: busybox:latest } }` });
    expect((await v1(project, 'up', '-d', '--no-start', 'a')).stderr).toContain('cannot be combined');
  });

  it('covers the id of the image by its hash', async () => {
    const project = await testProject('engv1');
    const reference = `${project.name}/app:v1`;
    await docker('tag', 'busybox:latest', reference);
    await project.write({ 'compose.yaml': `services: { a: { image: "${reference}" } }` });
    const hash = async () => (await v1(project, 'config', '--hash=*')).stdout;
    const before = await hash();
    await docker('tag', 'redis:7-alpine', reference);
    expect(await hash()).not.toBe(before);
  });

  it('takes one env file', async () => {
    const provider = await version1();
    const two: ComposeRequest = {
      name: 'x',
      directory: '/',
      files: [],
      profiles: [],
      envFiles: ['/a', '/b'],
      env: {},
    };
    await expect(provider.config(two)).rejects.toMatchObject({ code: 'not-supported' });
  });
});

it('takes the version 1 that COMPOSE_ROLLBACK_PROVIDER asks for', async () => {
  const env = { ...process.env, COMPOSE_ROLLBACK_PROVIDER: legacy };
  const provider = await findProvider({ endpoint: await endpoint(), env });
  expect(provider.name).toBe('docker-compose');
  expect(await provider.version()).toMatch(/^1\./);
  expect(provider.defaultImage('shop', 'api', undefined)).toBe('shop_api');
});
