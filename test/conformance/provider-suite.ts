import { rm } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import type { ComposeProvider, ComposeRequest } from '../../src/engine/provider.js';
import { connectTestEngine, docker, testProject, type TestProject } from '../support/engine.js';
import { isKept } from '../support/keep.js';
import { RICH, STACK } from './provider-samples.js';

function labelled(label: string): string {
  return `services: { a: { image: "x:\${TAG}", labels: { l: "${label}", ${label}: "" } } }`;
}

function port(target: number, published?: string, rest: object = {}): object {
  const where = published === undefined ? {} : { published };
  return { target, protocol: 'tcp', mode: 'ingress', ...where, ...rest };
}

/**
 * What every compose provider must do, on the real engine. A `simple` one declares what it cannot, see `podman-compose.test.ts`; of those some know no
 * profiles, or make one container of a service whatever its `scale`.
 */
export function providerSuite(
  name: string,
  make: () => Promise<ComposeProvider>,
  { simple = false, profiles = true, scales = true } = {},
): void {
  const unlessSimple = simple ? () => undefined : it;
  describe(`compose provider: ${name}`, () => {
    const usual = ['built', 'db', 'once', ...(profiles ? [] : ['tool']), 'web'];
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
    const withEnv = (extra: Record<string, string>) => request({ env: { ...process.env, ...extra } });
    const go = { start: true, scale: {} };

    const rich = () =>
      project.write({
        'compose.yaml': RICH,
        'web.env': 'FROM_FILE=yes\n',
        'conf/a.txt': 'a\n',
        'key.txt': 'k\n',
        'img/Dockerfile': 'FROM busybox:latest\n',
      });
    const ids = async () => ({
      app: await project.ids('app'),
      base: await project.ids('base'),
      once: await project.ids('once'),
    });
    const running = async () => {
      const containers = await engine.containers({ project: project.name });
      return containers.filter((container) => container.state === 'running').length;
    };
    /** As a plan does it: what is not replaced goes first. */
    const anew = async (service: string, change?: ComposeRequest) => {
      const old = provider.replaces ? [] : await project.ids(service);
      if (old.length > 0) await docker('rm', '--force', ...old);
      await provider.up(change ?? request(), [service], go);
    };
    const everything = async () => {
      await project.write({ 'compose.yaml': STACK });
      await provider.up(request(), ['app', 'base', 'once'], go);
      await expect.poll(running, { timeout: 20_000 }).toBe(2);
    };

    beforeAll(async () => {
      engine = await connectTestEngine();
      provider = await make();
    });

    beforeEach(async () => {
      project = await testProject('engprov');
    });

    // Not at the end of the file: an engine has networks for about thirty projects.
    afterEach(async () => {
      if (!isKept()) await project.remove();
    });

    describe('config', () => {
      it('is the same model whoever makes it', async () => {
        await rich();
        const model = await provider.config(withEnv({ GIVEN: 'g$v' }));
        expect(Object.keys(model.services).toSorted()).toEqual(usual);
        expect(model).toMatchObject({
          name: project.name,
          networks: { default: { name: `${project.name}_default` } },
          volumes: { data: { name: `${project.name}_data` }, named: { name: 'my-own-name' } },
          configs: { settings: { name: `${project.name}_settings`, file: project.path('conf/a.txt') } },
          secrets: { key: { name: `${project.name}_key`, file: project.path('key.txt') } },
        });
        const { web, db, once, built } = model.services;
        expect(web?.environment).toEqual({
          A: '1',
          B: 'a=b',
          DOLLAR: 'x$y',
          FROM_ENV: 'g$v',
          DEFAULT: 'fallback',
          NO_VALUE: null,
          FROM_FILE: 'yes',
        });
        expect(web?.ports).toEqual([
          port(80, '18080'),
          port(81, '18081', { protocol: 'udp', host_ip: '127.0.0.1' }),
          port(9000),
          port(82, '18082', { mode: 'host' }),
          port(90, '18090'),
          port(91, '18091'),
        ]);
        expect(
          web?.volumes.map(({ type, source, target, read_only }) => ({ type, source, target, read_only })),
        ).toEqual([
          { type: 'volume', source: 'data', target: '/data', read_only: undefined },
          { type: 'bind', source: project.path('conf'), target: '/conf', read_only: true },
          { type: 'volume', source: undefined, target: '/anonymous', read_only: undefined },
          { type: 'bind', source: project.path('conf/a.txt'), target: '/a.txt', read_only: true },
          { type: 'volume', source: 'named', target: '/named', read_only: undefined },
          { type: 'tmpfs', source: undefined, target: '/scratch', read_only: undefined },
        ]);
        expect(web).toMatchObject({
          container_name: 'rich-web',
          labels: { 'rollback.handler': 'generic', count: '1' },
          expose: ['7000', '7001'],
          configs: [{ source: 'settings', target: '/etc/settings' }],
          secrets: [{ source: 'key', target: '/run/secrets/key' }],
          depends_on: {
            db: { condition: 'service_healthy', required: true },
            once: { condition: 'service_completed_successfully', required: true },
          },
          healthcheck: { test: ['CMD', 'true'], interval: '10s', timeout: '3s', retries: 4 },
          restart: 'unless-stopped',
        });
        expect(db).toMatchObject({
          healthcheck: { test: ['CMD-SHELL', 'redis-cli ping'], interval: '2s', start_period: '500ms' },
          ...(scales && { scale: 2 }),
        });
        expect(once?.depends_on).toEqual({ db: { condition: 'service_started', required: true } });
        expect(built).toMatchObject({ build: { context: project.path('img') } });
        expect(built?.image).toBeUndefined();
      });

      unlessSimple('includes services of the given profiles, or of all', async () => {
        await rich();
        expect(Object.keys((await provider.config(request({ profiles: ['debug'] }))).services)).toContain(
          'tool',
        );
        const { tool } = (await provider.config(request(), { allProfiles: true })).services;
        expect(tool).toMatchObject({
          profiles: ['debug'],
          network_mode: 'host',
          healthcheck: { disable: true },
        });
      });

      it('is not moved by COMPOSE_ variables, of the caller or of .env', async () => {
        await rich();
        await project.write({
          'other.yaml': 'services: { other: { image: x } }',
          '.env': 'COMPOSE_PROFILES=debug\nGIVEN=dotenv\n',
        });
        const theirs = {
          COMPOSE_FILE: 'other.yaml',
          COMPOSE_PROJECT_NAME: 'other',
          COMPOSE_PROFILES: 'debug',
          DOCKER_CONTEXT: 'nowhere',
        };
        const model = await provider.config(withEnv(theirs));
        expect(model.name).toBe(project.name);
        expect(Object.keys(model.services).toSorted()).toEqual(usual);
        expect(model.services.web?.environment.FROM_ENV).toBe('dotenv');
      });

      unlessSimple('merges several files in order, and reads the env file it is told', async () => {
        await project.write({
          'compose.yaml': labelled('one'),
          'more.yaml': labelled('two'),
          '.env': 'TAG=dot',
          'own.env': 'TAG=own',
        });
        const files = [project.path('compose.yaml'), project.path('more.yaml')];
        const model = await provider.config(request({ files, envFiles: [project.path('own.env')] }));
        expect(model.services.a).toMatchObject({ image: 'x:own', labels: { l: 'two', one: '', two: '' } });
      });

      unlessSimple('takes no name for an option', async () => {
        await project.write({ '--help': 'services: { a: { image: x } }' });
        const model = await provider.config(request({ files: ['--help'], profiles: ['--version'] }));
        expect(model.services.a?.image).toBe('x');
        await expect(provider.config(request({ name: '--help' }))).rejects.toMatchObject({
          code: 'provider-failed',
        });
      });

      unlessSimple("gives the program's own words about files that are broken or gone", async () => {
        await project.write({ 'compose.yaml': 'services: { a: { image: x, nonsense: 1 } }' });
        const failure = await provider.config(request()).catch((thrown: unknown) => thrown);
        expect(failure).toMatchObject({
          code: 'provider-failed',
          message: expect.stringContaining('config` for project '),
        });
        expect(failure).toHaveProperty(
          'details',
          expect.arrayContaining([expect.stringContaining('nonsense')]),
        );
        await rm(project.path('compose.yaml'));
        await expect(provider.config(request())).rejects.toMatchObject({
          code: 'provider-failed',
          details: expect.arrayContaining([expect.stringContaining('compose.yaml')]),
        });
        await rm(project.directory, { recursive: true });
        await expect(provider.config(request())).rejects.toMatchObject({ code: 'provider-failed' });
      });
    });

    describe('up', () => {
      unlessSimple('makes containers whose labels carry the hashes', async () => {
        await everything();
        const containers = await engine.containers({ project: project.name });
        const labels = Object.fromEntries(
          containers.map((container) => [container.service, container.configHash]),
        );
        expect(Object.keys(labels).toSorted()).toEqual(['app', 'base', 'once']);
        expect(await provider.hashes(request())).toEqual(labels);
        expect((await provider.hashes(withEnv({ V: '2' }))).app).not.toBe(labels.app);
      });

      it('makes anew what changed and touches nothing else; finished one-shots stay finished', async () => {
        await everything();
        const before = await ids();
        const [once] = await engine
          .containers({ project: project.name })
          .then((all) => all.filter((c) => c.service === 'once'));
        await anew('app', withEnv({ V: '2' }));
        const after = await ids();
        expect(after).toEqual({ ...before, app: [expect.any(String)] });
        expect(after.app).not.toEqual(before.app);
        expect(await engine.container(after.app[0] ?? '')).toMatchObject({
          state: 'running',
          env: { V: '2' },
        });
        expect(await engine.container(once?.id ?? '')).toEqual(once);
      });

      it('does not start dependencies', async () => {
        await project.write({ 'compose.yaml': STACK });
        await provider.up(request(), ['app'], go);
        expect(await ids()).toEqual({ app: [expect.any(String)], base: [], once: [] });
      });

      it('leaves alone what is as the files say', async () => {
        await everything();
        const before = await ids();
        await provider.up(request(), ['app', 'base'], go);
        expect(await ids()).toEqual(before);
      });

      it('does nothing for no services', async () => {
        await project.write({ 'compose.yaml': STACK });
        await provider.up(request(), [], go);
        expect(await engine.containers({ project: project.name })).toEqual([]);
      });

      it('only makes, and does not start, when told so', async () => {
        await project.write({ 'compose.yaml': STACK });
        await provider.up(request(), ['app'], { start: false, scale: {} });
        const [app] = await engine.containers({ project: project.name });
        expect(app).toMatchObject({ service: 'app', state: 'created' });
      });

      unlessSimple('scales up and down', async () => {
        await project.write({ 'compose.yaml': STACK });
        await provider.up(request(), ['base'], { start: true, scale: { base: 3 } });
        const three = await project.ids('base');
        expect(three).toHaveLength(3);
        await provider.up(request(), ['base'], { start: true, scale: { base: 1 } });
        expect(await project.ids('base')).toHaveLength(1);
      });

      it('leaves orphans alone, whatever COMPOSE_REMOVE_ORPHANS says', async () => {
        await everything();
        const before = await ids();
        await project.write({
          'compose.yaml': 'services: { extra: { image: busybox:latest, command: ["true"] } }',
        });
        await provider.up(withEnv({ COMPOSE_REMOVE_ORPHANS: 'true' }), ['extra'], go);
        expect(await ids()).toEqual(before);
      });

      it('follows a tag that was moved', async () => {
        const reference = `${project.name}/app:v1`;
        await docker('tag', 'busybox:latest', reference);
        await project.write({
          'compose.yaml': `services: { app: { image: "${reference}", command: ["sleep", "1000"], init: true } }`,
        });
        await provider.up(request(), ['app'], go);
        const [before] = await project.ids('app');
        await project.write({ 'two/Dockerfile': 'FROM busybox:latest\nRUN touch /two\n' });
        await docker('build', '--quiet', '--tag', reference, project.path('two'));
        const two = await docker('image', 'inspect', '--format', '{{.Id}}', reference);
        await anew('app');
        const [after] = await project.ids('app');
        expect(after).not.toBe(before);
        expect((await engine.container(after ?? ''))?.imageId).toBe(two);
      });

      it('never pulls a missing image', async () => {
        // Nobody listens there: asking would be refused, and the answer would say so.
        const reference = `127.0.0.1:1/${project.name}:v1`;
        await project.write({
          'compose.yaml': `services: { a: { image: "${reference}" }, b: { image: busybox:latest } }`,
        });
        const failure = await provider.up(request(), ['a'], go).catch((thrown: unknown) => thrown);
        expect(failure).toMatchObject({ code: 'provider-failed' });
        expect(JSON.stringify(failure)).not.toMatch(/refused|pull access|dial tcp/i);
        expect(await engine.containers({ project: project.name })).toEqual([]);
      });

      it('never builds a missing image, and runs one that was built', async () => {
        await project.write({
          'compose.yaml': 'services: { a: { build: ./img, command: ["true"] } }',
          'img/Dockerfile': 'FROM busybox:latest\n',
        });
        await expect(provider.up(request(), ['a'], go)).rejects.toMatchObject({ code: 'provider-failed' });
        const reference = provider.defaultImage(project.name, 'a', undefined);
        expect(await engine.image(reference)).toBeUndefined();
        await docker('tag', 'busybox:latest', reference);
        await provider.up(request(), ['a'], go);
        expect(await project.ids('a')).toHaveLength(1);
      });

      it('ends with the signal’s own reason when aborted', async () => {
        await project.write({ 'compose.yaml': STACK });
        const reason = new Error('enough');
        await expect(provider.up(request({ signal: AbortSignal.abort(reason) }), ['app'], go)).rejects.toBe(
          reason,
        );
        if (simple) return;
        const controller = new AbortController();
        const going = provider.config(request({ signal: controller.signal }));
        setTimeout(() => controller.abort(reason), 5);
        await expect(going).rejects.toBe(reason);
      });
    });

    it('tells its version', async () => {
      expect(await provider.version()).toMatch(/^\d+\.\d+\.\d+/);
    });
  });
}
