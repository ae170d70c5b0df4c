import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { aStack, cli, containersOf, docker, keptTags, ok, type Stack } from './e2e.js';

/** What tests of kills and faults work with: a stack that is wholly in one of two states, or in neither. */
export interface TwoStates {
  stack: Stack;
  /** The state v1, with its image, data and files. The stack is in v2 when this is handed out. */
  point: string;
  /** All that a rollback changes; `v1` or `v2` when it is wholly the one or the other. */
  state(): Promise<string>;
  /** From whatever is there to v2. Takes no part of a rollback for granted: the way there is checked, too. */
  toV2(): Promise<void>;
  /** One of the allowed states, with nothing left lying about once it was swept up, and every point sound. */
  isWhole(moment: string, allowed: string[]): Promise<void>;
}

export async function twoStates(prefix: string): Promise<TwoStates> {
  const stack = await aStack(prefix, (name) => ({
    'compose.yaml': `
name: ${name}
services:
  app:
    image: ${name}-app:latest
    stop_signal: SIGKILL
    volumes: ['data:/data', './app.conf:/app.conf:ro', './files:/files']
    healthcheck: { test: [CMD, 'true'], interval: 1s }
  bystander:
    image: busybox:latest
    command: [sleep, infinity]
    stop_signal: SIGKILL
volumes:
  data:
`,
    'app.conf': 'v1\n',
    'files/deep/file': 'v1\n',
  }));
  const image = (version: string) => `${stack.name}-app:${version}`;

  const build = async (version: string) => {
    const context = await mkdtemp(join(tmpdir(), `${stack.name}-build-`));
    await writeFile(
      join(context, 'Dockerfile'),
      `FROM busybox:latest\nENV V=${version}\nCMD ["sleep", "infinity"]\n`,
    );
    await docker('build', '--quiet', '--label', `of=${stack.name}`, '--tag', image(version), context);
    await rm(context, { recursive: true });
  };

  const dataFolder = () => docker('volume', 'inspect', `${stack.name}_data`, '--format', '{{.Mountpoint}}');

  const fill = async (version: string) => {
    await writeFile(join(await dataFolder(), 'value'), `${version}\n`);
    await stack.write({ 'files/deep/file': `${version}\n` });
  };

  const change = async () => {
    await docker('tag', image('v2'), image('latest'));
    await stack.write({ 'app.conf': 'v2\n' });
    await stack.compose('up', '-d');
    await fill('v2');
  };

  const versionOf = async (id: string) => {
    for (const version of ['v1', 'v2']) {
      if ((await docker('image', 'inspect', image(version), '--format', '{{.Id}}')) === id) return version;
    }
    return id;
  };

  const state = async () => {
    const containers = await containersOf(stack);
    const app = Object.values(containers).find(({ service }) => service === 'app');
    const facts = [
      app?.state === 'running' ? await versionOf(app.image) : `app is ${app?.state}`,
      await versionOf(await docker('image', 'inspect', image('latest'), '--format', '{{.Id}}')),
      (await readFile(stack.path('app.conf'), 'utf8')).trim(),
      (await readFile(stack.path('files/deep/file'), 'utf8')).trim(),
      (await readFile(join(await dataFolder(), 'value'), 'utf8')).trim(),
    ];
    const running = Object.values(containers).every((container) => container.state === 'running');
    if (!running) facts.push('not everything runs');
    return new Set(facts).size === 1 ? (facts[0] ?? '') : facts.join(' ');
  };

  /** Whatever a process that ended badly could have left lying about. */
  const leftovers = async (): Promise<string[]> => {
    const backups = stack.path('rollback/backups');
    const points = (await readdir(backups)).filter((name) => name.startsWith('rb-'));
    const tags = Object.keys(await keptTags(stack));
    const holds = await readdir(join(backups, 'holds')).catch(() => []);
    const beside = [...(await readdir(dirname(await dataFolder()))), ...(await readdir(stack.directory))];
    const helpers = ['ps', '-a', '--no-trunc', '--filter', 'label=compose-rollback.helper'];
    // Named by what they mount: other tests have helpers too.
    const mounting = (await docker(...helpers, '--format', '{{.ID}} {{.Mounts}}')).split('\n');
    const { runs } = JSON.parse((await ok(stack, 'runs', '--json')).stdout);
    const listed = JSON.parse((await ok(stack, 'list', '--safety', '--json')).stdout);
    const known: string[] = listed.points.map(({ id }: { id: string }) => id);
    return [
      ...(await readdir(backups)).filter((name) => /^\.(?:tmp|trash)-/.test(name)),
      ...holds.map((name) => `hold ${name}`),
      ...beside.filter((name) => name.includes('compose-rollback-')),
      ...tags.filter((tag) => !points.some((id) => tag.includes(id))),
      ...mounting.filter((mounts) => mounts.includes(stack.name)).map((helper) => `helper ${helper}`),
      ...runs
        .filter(({ ended }: { ended: string | null }) => ended === null)
        .map(({ id }: { id: string }) => `unfinished ${id}`),
      ...points.filter((id) => !known.includes(id)).map((id) => `unlisted ${id}`),
      ...known.filter((id) => !points.includes(id)).map((id) => `listed ${id}`),
    ];
  };

  for (const version of ['v1', 'v2']) await build(version);
  await docker('tag', image('v1'), image('latest'));
  await stack.compose('up', '-d');
  await fill('v1');
  const recorded = ['--include-volumes', '--save-images', 'always', '--pin'];
  const { stdout: point } = await ok(stack, 'create', '--quiet', ...recorded);
  await change();

  return {
    stack,
    point,
    state,
    async toV2() {
      if ((await state()) !== 'v2') await change();
      expect(await state()).toBe('v2');
    },
    async isWhole(moment, allowed) {
      const swept = await cli(stack, 'cleanup', '--keep-last', '100', '--yes');
      expect(swept.exitCode, `${moment}: ${swept.stderr}`).toBe(0);
      expect(allowed, moment).toContain(await state());
      expect(await leftovers(), moment).toEqual([]);
      const verified = await cli(stack, 'verify', '--all');
      expect(verified.exitCode, `${moment}: ${verified.stderr}`).toBe(0);
    },
  };
}
