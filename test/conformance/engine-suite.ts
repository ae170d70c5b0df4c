import { buffer } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import type { Container } from '../../src/model/engine.js';
import { docker, testProject, type TestProject } from '../support/engine.js';

/** For what takes a moment, on a machine that may be busy. */
const PATIENCE = { timeout: 20_000 };
const MISSING = 'f'.repeat(64);

/** Becomes a line of its log on HUP, ends at once on USR1 and not on TERM. */
const OBEDIENT = `trap 'echo hup' HUP; trap 'echo bye; exit 42' USR1; trap '' TERM; echo ready; while :; do sleep 0.1; done`;

const COMPOSE = `
services:
  web:
    image: busybox:latest
    command: ["sh", "-c", ${JSON.stringify(OBEDIENT.replaceAll('$', '$$'))}]
    stop_signal: SIGUSR1
    stop_grace_period: 30s
    environment: { PLAIN: "a=b" }
    ports: ["127.0.0.1::8000"]
    volumes: ["data:/data"]
    healthcheck: { test: ["CMD", "true"], interval: 1s }
  stubborn:
    image: busybox:latest
    command: ["sh", "-c", "trap '' TERM; exec sleep infinity"]
    stop_grace_period: 1s
  once:
    image: busybox:latest
    command: ["sh", "-c", "echo out; echo err >&2; exit 3"]
  terminal:
    image: busybox:latest
    command: ["sh", "-c", "echo '{\\"a\\":1}'; sleep 1000"]
    tty: true
    init: true
volumes:
  data:
`;

/** What every engine must do, against the interface alone. `make` connects; the project is made by the docker program. */
export function engineSuite(name: string, make: () => Promise<Engine>): void {
  describe(`engine: ${name}`, () => {
    let engine: Engine;
    let project: TestProject;
    const ids: Record<string, string> = {};

    const id = (service: string): string => ids[service] ?? expect.fail(`no container of ${service}`);
    const inspect = async (service: string): Promise<Container> =>
      (await engine.container(id(service))) ?? expect.fail(`${service} is gone`);
    const state = async (service: string) => (await inspect(service)).state;

    const sh = (script: string, options?: Parameters<Engine['exec']>[2]) =>
      engine.exec(id('web'), ['sh', '-c', script], options);

    beforeAll(async () => {
      engine = await make();
      project = await testProject('engsuite');
      await project.write({ 'compose.yaml': COMPOSE });
      await project.compose('up', '-d', '--pull', 'never');
      for (const service of ['web', 'stubborn', 'once', 'terminal']) {
        ids[service] = (await project.ids(service))[0] ?? '';
      }
      await vi.waitFor(async () => {
        expect(await engine.logs(id('web'), 1)).toContain('ready');
        expect(await state('once')).toBe('exited');
      }, PATIENCE);
    });

    describe('looking', () => {
      it('tells who it is, the same each time', async () => {
        const identity = await engine.identity();
        expect([identity.id, identity.storageDriver]).not.toContain('');
        expect(identity.version).toMatch(/^\d+\.\d+/);
        expect(identity.storageDirectory).toMatch(/^\//);
        expect((await (await make()).identity()).id).toBe(identity.id);
      });

      it('lists the containers of one project, stopped and one-off ones included', async () => {
        const made = await project.compose('run', '--detach', '--no-deps', 'once');
        onTestFinished(async () => void (await docker('rm', '--force', made)));
        const all = () => engine.containers({ project: project.name });
        await expect.poll(async () => (await all()).find((c) => c.oneOff)?.state, PATIENCE).toBe('exited');
        const containers = await all();
        const services = containers.filter((c) => !c.oneOff).map((c) => c.service);
        expect(services).toHaveLength(4);
        expect(new Set(services)).toEqual(new Set(['once', 'stubborn', 'terminal', 'web']));
        expect(containers.filter((c) => c.oneOff).map((c) => [c.service, c.state, c.exitCode])).toEqual([
          ['once', 'exited', 3],
        ]);
        expect(await engine.containers({ project: `${project.name}-other` })).toEqual([]);
      });

      it('lists containers of all projects', async () => {
        expect((await engine.containers()).map((container) => container.id)).toContain(id('web'));
      });

      it('tells everything of a running container', async () => {
        await expect.poll(() => engine.health(id('web')), PATIENCE).toBe('healthy');
        const web = await inspect('web');
        expect(web).toMatchObject({
          id: id('web'),
          project: project.name,
          service: 'web',
          number: 1,
          oneOff: false,
          state: 'running',
          exitCode: undefined,
          restart: 'no',
          restartCount: 0,
          imageRef: 'busybox:latest',
          imageId: (await engine.image('busybox:latest'))?.id,
          configHash: expect.stringMatching(/^[0-9a-f]{64}$/),
          env: expect.objectContaining({ PLAIN: 'a=b' }),
          mounts: [
            { type: 'volume', source: '', name: `${project.name}_data`, target: '/data', readOnly: false },
          ],
          exposed: ['8000/tcp'],
        });
        expect(web.pid).toBeGreaterThan(0);
        expect(web.command.slice(0, 2)).toEqual(['sh', '-c']);
        expect(web.ports).toEqual([
          { containerPort: 8000, protocol: 'tcp', hostIp: '127.0.0.1', hostPort: expect.any(Number) },
        ]);
        expect(web.addresses[`${project.name}_default`]).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
        expect(Date.parse(web.startedAt)).toBeGreaterThan(Date.now() - 600_000);
      });

      it('tells of a stopped container how it ended', async () => {
        expect(await inspect('once')).toMatchObject({
          state: 'exited',
          exitCode: 3,
          pid: 0,
          ports: [],
          addresses: {},
          health: 'none',
        });
      });

      it('answers undefined for what is not there, and refuses what cannot be an id', async () => {
        expect(await engine.container(MISSING)).toBeUndefined();
        await expect(engine.container('../images/json')).rejects.toMatchObject({ code: 'usage' });
      });

      it('knows networks and volumes by their whole names', async () => {
        expect(await engine.hasNetwork(`${project.name}_default`)).toBe(true);
        expect(await engine.hasNetwork(`${project.name}_defaul`)).toBe(false);
        const { members: _, ...network } = { ...(await engine.network(`${project.name}_default`)) };
        expect(network.settings?.['subnets']).toHaveLength(1);
        expect(await engine.networks()).toContainEqual(network);
        expect(await engine.hasVolume(`${project.name}_data`)).toBe(true);
        expect(await engine.hasVolume(`${project.name}_dat`)).toBe(false);
      });
    });

    describe('logs', () => {
      it('gives the last lines of both streams, and no frame headers', async () => {
        const lines = (await engine.logs(id('once'), 10)).split('\n').toSorted();
        expect(lines).toEqual(['', 'err', 'out']);
        expect((await engine.logs(id('once'), 1)).trimEnd()).toMatch(/^(?:out|err)$/);
      });

      it('gives what a terminal showed, JSON too', async () => {
        await expect
          .poll(async () => (await engine.logs(id('terminal'), 5)).trim(), PATIENCE)
          .toBe('{"a":1}');
      });
    });

    describe('exec', () => {
      it('gives both streams and the exit code', async () => {
        expect(await sh('echo out; echo err >&2; exit 7')).toEqual({
          exitCode: 7,
          stdout: 'out\n',
          stderr: 'err\n',
        });
      });

      it('passes words as they are, environment and user', async () => {
        const words = ['echo', '-n', '$HOME; "x"', "'"];
        expect((await engine.exec(id('web'), words)).stdout).toBe(`$HOME; "x" '`);
        expect((await sh('echo $SECRET; id -u', { env: { SECRET: 's=1 $x' }, user: '1234' })).stdout).toBe(
          's=1 $x\n1234\n',
        );
      });

      it('gives 7 MB whole, characters of several bytes included', async () => {
        const { stdout } = await sh('yes "€uro" | head -c 7000000');
        expect(Buffer.byteLength(stdout)).toBe(7_000_000);
        expect(new Set(stdout.split('\n').slice(0, -1))).toEqual(new Set(['€uro']));
      });

      it('answers with an exit code of 126 or 127 for a program that is not there', async () => {
        expect((await engine.exec(id('web'), ['no-such-program'])).exitCode).toSatisfy(
          (code) => code === 126 || code === 127,
        );
      });

      it('ends at the time limit, naming the program and none of its words', async () => {
        const started = performance.now();
        await expect(engine.exec(id('web'), ['sleep', '12.5'], { timeout: 300 })).rejects.toMatchObject({
          code: 'failed',
          message: expect.stringMatching(/^"sleep" in container [0-9a-f]{12} took longer than 0.3 s$/),
        });
        expect(performance.now() - started).toBeLessThan(5000);
      });

      it("ends with the signal's own reason when aborted, before and while it runs", async () => {
        const reason = new Error('enough');
        await expect(sh('true', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
        const controller = new AbortController();
        const running = sh('sleep 12.5', { signal: controller.signal });
        setTimeout(() => controller.abort(reason), 300);
        await expect(running).rejects.toBe(reason);
      });

      it('streams what is written, and ends with the last words of what fails', async () => {
        const streamed = (script: string, signal?: AbortSignal) =>
          engine.execStream(id('web'), ['sh', '-c', script], signal && { signal });
        const bytes = await buffer(await streamed('yes "€uro" | head -c 7000000; echo err >&2'));
        expect(bytes.equals(Buffer.alloc(7_000_000, '€uro\n'))).toBe(true);
        await expect(
          buffer(await streamed('echo half; echo first >&2; echo last >&2; exit 7')),
        ).rejects.toMatchObject({
          code: 'failed',
          message: '"sh" ended with 7: last',
        });
        const [controller, reason] = [new AbortController(), new Error('enough')];
        const endless = await streamed('yes', controller.signal);
        endless.once('data', () => controller.abort(reason));
        await expect(finished(endless.resume())).rejects.toBe(reason);
      });

      it('fails in a container that does not run or is not there', async () => {
        await expect(engine.exec(id('once'), ['true'])).rejects.toMatchObject({
          code: 'failed',
          message: expect.stringMatching(/not running|running containers/),
        });
        await expect(engine.exec(MISSING, ['true'])).rejects.toMatchObject({ code: 'failed' });
      });
    });

    describe('signals, stopping and starting', () => {
      const canPause = async () => (await engine.identity()).pauses;

      it('sends a signal to the main process', async () => {
        await engine.signal(id('web'), 'SIGHUP');
        await expect.poll(() => engine.logs(id('web'), 5), PATIENCE).toContain('hup');
        await expect(engine.signal(id('once'), 'SIGHUP')).rejects.toMatchObject({ code: 'failed' });
      });

      it('leaves a running container alone when told to start', async () => {
        const before = await inspect('web');
        await engine.start(id('web'));
        expect(await inspect('web')).toEqual(before);
      });

      it('unpauses a paused container when told to start', async () => {
        if (!(await canPause())) return;
        const { startedAt } = await inspect('web');
        onTestFinished(() => engine.start(id('web')));
        await docker('pause', id('web'));
        expect(await state('web')).toBe('paused');
        await engine.start(id('web'));
        expect(await inspect('web')).toMatchObject({ state: 'running', startedAt });
      });

      it("stops with the container's own signal, twice is once, and starts again", async () => {
        onTestFinished(() => engine.start(id('web')));
        await engine.stop(id('web'));
        expect(await inspect('web')).toMatchObject({ state: 'exited', exitCode: 42, ports: [] });
        await engine.stop(id('web'));
        expect((await inspect('web')).exitCode).toBe(42);
        await engine.start(id('web'));
        expect(await state('web')).toBe('running');
      });

      it("stops within the container's own grace time when its signal is ignored", async () => {
        await engine.start(id('stubborn'));
        const started = performance.now();
        await engine.stop(id('stubborn'));
        expect(performance.now() - started).toBeLessThan(6000);
        expect(await inspect('stubborn')).toMatchObject({ state: 'exited', exitCode: 137 });
      });

      it('stops a paused container', async () => {
        if (!(await canPause())) return;
        await engine.start(id('stubborn'));
        await docker('pause', id('stubborn'));
        await engine.stop(id('stubborn'));
        expect(await state('stubborn')).toBe('exited');
      });

      it('stops one that is restarted by itself right after the one whose processes it shares', async () => {
        const run = async (...options: string[]) =>
          await docker('run', '--detach', ...options, 'busybox:latest', 'sleep', '1000');
        // Docker 20.10 needs a few to get into its own way.
        for (let round = 0; round < 6; round += 1) {
          const lender = await run('--init');
          const borrower = await run('--restart', 'always', '--pid', `container:${lender}`);
          onTestFinished(async () => {
            await docker('rm', '--force', borrower);
            await docker('rm', '--force', lender);
          });
          await engine.stop(lender);
          await engine.stop(borrower);
          expect((await engine.container(borrower))?.state).toBe('exited');
        }
      });

      it('has nothing to stop where there is nothing, and nothing it could start', async () => {
        await engine.stop(MISSING);
        await expect(engine.start(MISSING)).rejects.toMatchObject({ code: 'failed' });
      });

      it('removes a stopped container and not its volumes, never a running one, and nothing twice', async () => {
        const words = ['--volume', `${project.name}_data:/data`, 'busybox:latest', 'sleep', '1000'];
        const made = await docker('run', '--detach', '--init', ...words);
        onTestFinished(() => engine.removeHelper(made));
        await expect(engine.remove(made)).rejects.toMatchObject({ code: 'failed' });
        await engine.stop(made);
        await engine.remove(made);
        expect(await engine.container(made)).toBeUndefined();
        await engine.remove(made);
        expect(await engine.hasVolume(`${project.name}_data`)).toBe(true);
      });
    });
  });
}
