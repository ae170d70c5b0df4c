import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { aStack, cli, containersOf, docker, keptTags, ok, type Stack } from './e2e.js';
import { PODMAN } from './engine.js';

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

/** Podman tells too little of restart policies and memberships, and podman-compose takes no model. */
const HAS_NETWORK = PODMAN === undefined;

function composeFile(name: string, version: string): string {
  return `
name: ${name}
services:
  app:
    image: ${name}-app:latest
    stop_signal: SIGKILL
    volumes: ['data:/data', './app.conf:/app.conf:ro', './files:/files']
    healthcheck: { test: [CMD, 'true'], interval: 1s }
    ${HAS_NETWORK ? 'networks: [back]' : ''}
  bystander:
    image: ${name}-bystander:latest
    command: [sleep, infinity]
    stop_signal: SIGKILL
volumes:
  data:
${HAS_NETWORK ? `networks: { back: { labels: { of: ${version} } } }` : ''}
`;
}

export async function twoStates(prefix: string): Promise<TwoStates> {
  const stack = await aStack(prefix, (name) => ({
    'compose.yaml': composeFile(name, 'v1'),
    'app.conf': 'v1\n',
    'files/deep/file': 'v1\n',
  }));
  /** A container of somebody else, in a network of the project. */
  const guest = `${stack.name}-guest`;
  const back = `${stack.name}_back`;
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
    await stack.write({ 'app.conf': 'v2\n', 'compose.yaml': composeFile(stack.name, 'v2') });
    // Compose removes no network that somebody else is in.
    if (HAS_NETWORK && (await guestAliases())) await docker('network', 'disconnect', '--force', back, guest);
    await stack.compose('up', '-d');
    if (HAS_NETWORK) await docker('network', 'connect', '--alias', 'friend', back, guest);
    await fill('v2');
  };

  const inspect = (what: string, name: string, format: string) =>
    docker(what, 'inspect', name, '--format', format);
  /** Undefined when it is not connected. */
  const guestAliases = async (): Promise<string[] | undefined> => {
    const networks: Record<string, { Aliases: string[] }> = JSON.parse(
      await inspect('container', guest, '{{json .NetworkSettings.Networks}}'),
    );
    return networks[back]?.Aliases;
  };

  const networkFacts = async (app: string): Promise<string[]> => {
    const restart = await inspect('container', app, '{{.HostConfig.RestartPolicy.Name}}');
    return [
      await inspect('network', back, '{{.Labels.of}}'),
      { always: 'v1', no: 'v2' }[restart] ?? `app restarts ${restart}`,
      ...((await guestAliases())?.includes('friend') ? [] : ['the guest is not connected']),
    ];
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
    if (HAS_NETWORK && app) facts.push(...(await networkFacts(app.id)));
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
  // Of its own: others may move a tag that they share.
  await docker('tag', 'busybox:latest', `${stack.name}-bystander:latest`);
  await stack.compose('up', '-d');
  await fill('v1');
  if (HAS_NETWORK) {
    await docker(
      'run',
      '--detach',
      '--name',
      guest,
      '--network',
      back,
      '--network-alias',
      'friend',
      'busybox:latest',
      'sleep',
      'infinity',
    );
    const remove = stack.remove.bind(stack);
    stack.remove = async () => {
      await docker('rm', '--force', guest);
      await remove();
    };
    // By hand: no file says so, and the way back to v1 has to make it by its facts.
    await docker('update', '--restart', 'always', ...(await stack.ids('app')));
  }
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
