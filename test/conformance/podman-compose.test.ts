import { once } from 'node:events';
import { createServer } from 'node:net';
import { execa } from 'execa';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { discoverEngine } from '../../src/engine/discovery.js';
import type { Engine } from '../../src/engine/engine.js';
import { dialectOf } from '../../src/engine/podman-compose-dialect.js';
import type { ComposeProvider, ComposeRequest } from '../../src/engine/provider.js';
import { findProvider } from '../../src/engine/providers.js';
import { connectTestEngine, docker, testProject, type TestProject } from '../support/engine.js';
import { providerSuite } from './provider-suite.js';

/** podman-compose as a provider, and what it does not do. Run where Podman is the engine. */

const PROGRAM = process.env['PODMAN_COMPOSE'] ?? '/PODMAN_COMPOSE-is-not-set';

async function podmanCompose(): Promise<ComposeProvider> {
  const endpoint = await discoverEngine({ engine: 'auto', env: process.env });
  return await findProvider({ endpoint, env: process.env, prefer: PROGRAM });
}

const dialect = dialectOf(await (await podmanCompose()).version());
providerSuite('podman-compose', podmanCompose, {
  simple: true,
  profiles: dialect.modern,
  scales: dialect.scales,
});

describe('podman-compose', () => {
  let engine: Engine;
  let provider: ComposeProvider;
  let project: TestProject;
  const request = (change: Partial<ComposeRequest> = {}): ComposeRequest => ({
    name: project.name,
    directory: project.directory,
    files: [project.path('compose.yaml')],
    profiles: [],
    envFiles: [],
    env: process.env,
    ...change,
  });
  const go = { start: true, scale: {} };
  const containers = async () => await engine.containers({ project: project.name });

  beforeAll(async () => {
    engine = await connectTestEngine();
    provider = await podmanCompose();
  });
  beforeEach(async () => {
    project = await testProject('engpc');
  });

  it('says what it cannot, and does nothing', async () => {
    await project.write({ 'compose.yaml': 'services: { a: { image: busybox:latest } }' });
    const refused: Promise<unknown>[] = [
      provider.up(request(), ['a'], { start: true, scale: { a: 2 } }),
      provider.up(request({ directory: '/' }), ['a'], go),
      provider.up(request({ envFiles: ['/one', '/two'] }), ['a'], go),
    ];
    for (const attempt of refused) await expect(attempt).rejects.toMatchObject({ code: 'not-supported' });
    expect(await containers()).toEqual([]);
    expect([provider.replaces, await provider.hashes(request())]).toEqual([false, {}]);
  });

  it('a service that cannot start is a failure, though it ends well', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    await project.write({
      'compose.yaml': `services: { a: { image: busybox:latest, command: [sleep, '1000'], init: true, ports: ['127.0.0.1:${port}:80'] } }`,
    });
    try {
      await expect(provider.up(request(), ['a'], go)).rejects.toMatchObject({
        code: 'provider-failed',
        details: expect.arrayContaining([expect.stringMatching(/in use/)]),
      });
    } finally {
      server.close();
    }
  });

  it('starts nothing that was stopped, and runs nothing again, for those that depend on it', async () => {
    await project.write({
      'compose.yaml': `
services:
  job: { image: busybox:latest, command: [sh, -c, 'echo ran >> /log/runs'], volumes: ['./log:/log'] }
  base: { image: busybox:latest, command: [sleep, '1000'], init: true }
  app: { image: busybox:latest, command: [sleep, '1000'], init: true, depends_on: [job, base] }
`,
      'log/runs': '',
    });
    await provider.up(request(), ['job', 'base'], go);
    const job = (await project.ids('job'))[0] ?? '';
    await expect.poll(async () => (await engine.container(job))?.state, { timeout: 20_000 }).toBe('exited');
    await engine.stop((await project.ids('base'))[0] ?? '');
    const before = await containers();
    await provider.up(request(), ['app'], go);
    const after = await containers();
    expect(after.filter(({ service }) => service !== 'app')).toEqual(before);
    expect(after.find(({ service }) => service === 'app')?.state).toBe('running');
  });

  it('tells the same definition by the same hash, however the files were named', async () => {
    await project.write({
      'compose.yaml': "services: { a: { image: busybox:latest, command: ['true'], labels: { v: '${V}' } } }",
    });
    const hash = async (env: Record<string, string>, start = true) => {
      await Promise.all((await project.ids('a')).map((id) => engine.removeHelper(id)));
      await provider.up(request({ env: { ...process.env, ...env } }), ['a'], { start, scale: {} });
      return (await containers())[0]?.configHash;
    };
    const one = await hash({ V: '1' });
    expect(one).toMatch(/^podman:[0-9a-f]{64}$/);
    expect(await hash({ V: '1' }, false)).toBe(one);
    expect(await hash({ V: '2' })).not.toBe(one);
  });

  it('pulls nothing for a service that always pulls, and hands on what its command says', async () => {
    // Nobody listens there: asking would be refused.
    const image = `127.0.0.1:1/${project.name}:v1`;
    await docker('tag', 'busybox:latest', image);
    try {
      await project.write({
        'compose.yaml': `
services:
  puller: { image: '${image}', pull_policy: always, command: [sleep, '1000', --pull=x, --requires=x], init: true }
  plain: { image: '${image}', command: [echo, --pull, x, --requires=x] }
`,
      });
      await provider.up(request(), ['puller', 'plain'], { start: false, scale: {} });
      const made = await containers();
      const words = (service: string) => made.find((one) => one.service === service)?.command.slice(-4);
      expect(words('puller')).toEqual(['sleep', '1000', '--pull=x', '--requires=x']);
      expect(words('plain')).toEqual(['echo', '--pull', 'x', '--requires=x']);
    } finally {
      await project.remove();
      await docker('image', 'rm', image);
    }
  });

  it('ties its containers to none', async () => {
    await project.write({
      'compose.yaml': `
services:
  base: { image: busybox:latest, command: [sleep, '1000'], init: true }
  app: { image: busybox:latest, command: [sleep, '1000'], init: true, depends_on: [base] }
`,
    });
    await provider.up(request(), ['base', 'app'], go);
    expect((await containers()).map(({ needs, state }) => [needs, state])).toEqual([
      [[], 'running'],
      [[], 'running'],
    ]);
  });

  it('makes what a plain `up` leaves as it is', async () => {
    await project.write({
      'compose.yaml': `
services:
  base: { image: busybox:latest, command: [sleep, '1000'], init: true }
  app: { image: busybox:latest, command: [sleep, '1000'], init: true, depends_on: [base] }
`,
    });
    await provider.up(request(), ['base', 'app'], go);
    const before = await containers();
    await execa(PROGRAM, ['-p', project.name, 'up', '-d'], { cwd: project.directory, stdin: 'ignore' });
    expect(await containers()).toEqual(before);
  });

  it.runIf(dialect.settings)('names images as the files say', async () => {
    await project.write({
      'compose.yaml': `
x-podman: { name_separator_compat: true }
services: { a: { build: ./img } }
`,
      'img/Dockerfile': 'FROM busybox:latest\nCMD ["sleep", "1000"]\n',
    });
    await provider.build(request(), 'a');
    try {
      const model = await provider.config(request());
      expect(provider.defaultImage(project.name, 'a', model)).toBe(`${project.name}-a`);
      await provider.up(request(), ['a'], go);
      const made = (await containers()).map(({ name, state }) => [name, state]);
      expect(made).toEqual([[`${project.name}-a-1`, 'running']]);
    } finally {
      await project.remove();
      await docker('image', 'rm', `localhost/${project.name}-a`);
    }
  });
});
