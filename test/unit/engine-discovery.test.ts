import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { discoverEngine } from '../../src/engine/discovery.js';

let root: string;
let servers: Server[];
let env: Record<string, string>;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'cr-disc-'));
  servers = [];
  env = { HOME: join(root, 'home'), XDG_RUNTIME_DIR: join(root, 'xdg') };
});

afterEach(async () => {
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  await rm(root, { recursive: true });
});

const discover = (options: Partial<Parameters<typeof discoverEngine>[0]> = {}) =>
  discoverEngine({ engine: 'auto', env, root, ...options });

async function listen(path: string): Promise<string> {
  const socket = join(root, path);
  await mkdir(dirname(socket), { recursive: true });
  const server = createServer((connection) => connection.end());
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return `unix://${socket}`;
}

async function context(name: string, host: string, tls = false): Promise<string> {
  const id = createHash('sha256').update(name).digest('hex');
  const contexts = join(root, 'home/.docker/contexts');
  await mkdir(join(contexts, 'meta', id), { recursive: true });
  const meta = { Name: name, Metadata: {}, Endpoints: { docker: { Host: host, SkipTLSVerify: false } } };
  await writeFile(join(contexts, 'meta', id, 'meta.json'), JSON.stringify(meta));
  const directory = join(contexts, 'tls', id, 'docker');
  if (tls) {
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'ca.pem'), '');
  }
  return directory;
}

async function currentContext(name: string): Promise<void> {
  await mkdir(join(root, 'home/.docker'), { recursive: true });
  await writeFile(join(root, 'home/.docker/config.json'), JSON.stringify({ currentContext: name }));
}

describe('what was named decides, in this order', () => {
  it('--host before everything, though nobody answers there', async () => {
    await listen('var/run/docker.sock');
    env.DOCKER_HOST = 'tcp://elsewhere:2375';
    expect(await discover({ host: 'tcp://10.0.0.5:2375' })).toMatchObject({
      host: 'tcp://10.0.0.5:2375',
      origin: '--host',
    });
  });

  it('--context before DOCKER_HOST, with its TLS files', async () => {
    env.DOCKER_HOST = 'tcp://elsewhere:2375';
    const tls = await context('prod', 'tcp://prod:2376', true);
    expect(await discover({ context: 'prod' })).toMatchObject({
      host: 'tcp://prod:2376',
      certPath: tls,
      origin: 'docker context "prod"',
    });
  });

  it('DOCKER_HOST before DOCKER_CONTEXT and the usual sockets', async () => {
    await listen('var/run/docker.sock');
    await context('prod', 'ssh://me@prod');
    Object.assign(env, { DOCKER_HOST: 'unix:///nobody/here.sock', DOCKER_CONTEXT: 'prod' });
    expect(await discover()).toMatchObject({ host: 'unix:///nobody/here.sock', origin: 'DOCKER_HOST' });
  });

  it('DOCKER_CONTEXT before the current context', async () => {
    await context('one', 'ssh://me@one');
    await context('two', 'ssh://me@two');
    await currentContext('two');
    env.DOCKER_CONTEXT = 'one';
    expect((await discover()).host).toBe('ssh://me@one');
  });

  it('the current context before the usual sockets', async () => {
    await listen('var/run/docker.sock');
    await context('two', 'ssh://me@two');
    await currentContext('two');
    expect((await discover()).host).toBe('ssh://me@two');
  });

  it('the context default means the usual sockets', async () => {
    const host = await listen('var/run/docker.sock');
    await context('two', 'ssh://me@two');
    await currentContext('two');
    expect((await discover({ context: 'default' })).host).toBe(host);
  });
});

it('takes TLS from DOCKER_CERT_PATH when DOCKER_TLS_VERIFY is set, for tcp', async () => {
  Object.assign(env, { DOCKER_HOST: 'tcp://h:2376', DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: '/certs' });
  expect((await discover()).certPath).toBe('/certs');
  delete env.DOCKER_CERT_PATH;
  expect((await discover()).certPath).toBe(join(root, 'home/.docker'));
  env.DOCKER_HOST = 'unix:///x.sock';
  expect((await discover()).certPath).toBeUndefined();
});

describe('the usual sockets', () => {
  it.each([
    'var/run/docker.sock',
    'xdg/docker.sock',
    'home/.docker/run/docker.sock',
    'home/.docker/desktop/docker.sock',
  ])('finds %s', async (path) => {
    const host = await listen(path);
    expect((await discover()).host).toBe(host);
  });

  it('passes over a dead socket to one that answers', async () => {
    await mkdir(join(root, 'var/run'), { recursive: true });
    await writeFile(join(root, 'var/run/docker.sock'), '');
    const host = await listen('xdg/docker.sock');
    expect((await discover()).host).toBe(host);
  });

  it('names everything that was tried, and what to do', async () => {
    await expect(discover()).rejects.toMatchObject({
      code: 'engine-unreachable',
      message: 'no container engine answers',
      hint: expect.stringContaining('DOCKER_HOST'),
      details: [
        `${root}/var/run/docker.sock: no such socket`,
        `${root}/xdg/docker.sock: no such socket`,
        `${root}/home/.docker/run/docker.sock: no such socket`,
        `${root}/home/.docker/desktop/docker.sock: no such socket`,
        `${root}/xdg/podman/podman.sock: no such socket`,
        `${root}/run/podman/podman.sock: no such socket`,
      ],
    });
  });
});

describe('Podman', () => {
  it.each(['run/podman/podman.sock', 'xdg/podman/podman.sock'])('is found at %s', async (path) => {
    const host = await listen(path);
    expect((await discover()).host).toBe(host);
    expect((await discover({ engine: 'podman' })).host).toBe(host);
    await expect(discover({ engine: 'docker' })).rejects.toMatchObject({ code: 'engine-unreachable' });
  });

  it("is a user's own before the machine's", async () => {
    await listen('run/podman/podman.sock');
    const host = await listen('xdg/podman/podman.sock');
    expect((await discover()).host).toBe(host);
  });

  it('comes after Docker, unless it is asked for', async () => {
    const podman = await listen('run/podman/podman.sock');
    const docker = await listen('var/run/docker.sock');
    expect((await discover()).host).toBe(docker);
    expect((await discover({ engine: 'podman' })).host).toBe(podman);
  });

  it('is named by CONTAINER_HOST, after everything that names Docker', async () => {
    await listen('run/podman/podman.sock');
    env.CONTAINER_HOST = 'unix:///nobody/podman.sock';
    const named = { host: 'unix:///nobody/podman.sock', origin: 'CONTAINER_HOST' };
    expect(await discover()).toMatchObject(named);
    env.DOCKER_HOST = 'unix:///nobody/docker.sock';
    expect(await discover()).toMatchObject({ origin: 'DOCKER_HOST' });
    expect(await discover({ engine: 'podman' })).toMatchObject(named);
    expect(await discover({ engine: 'docker' })).toMatchObject({ origin: 'DOCKER_HOST' });
  });

  it('is not reached over ssh, and says what to do', async () => {
    env.CONTAINER_HOST = 'ssh://me@box/run/podman/podman.sock';
    await expect(discover()).rejects.toMatchObject({
      code: 'not-supported',
      hint: expect.stringContaining('ssh -L'),
    });
  });

  describe('where no socket listens', () => {
    /** A podman that serves nothing but says that it was called. */
    async function program(): Promise<void> {
      env.PATH = join(root, 'bin');
      await mkdir(env.PATH);
      await writeFile(join(env.PATH, 'podman'), '#!/bin/sh\necho "called: $*" >&2\nexit 125\n', {
        mode: 0o755,
      });
    }
    const started = {
      code: 'engine-unreachable',
      message: expect.stringContaining('called: system service'),
    };

    it('is started', async () => {
      await program();
      await mkdir(env.XDG_RUNTIME_DIR ?? '');
      await expect(discover()).rejects.toMatchObject(started);
      await expect(discover({ engine: 'podman' })).rejects.toMatchObject(started);
    });

    it('is not started when Docker was asked for, or is there and does not answer', async () => {
      await program();
      await mkdir(join(root, 'var/run'), { recursive: true });
      await writeFile(join(root, 'var/run/docker.sock'), '');
      const nobody = { code: 'engine-unreachable', message: 'no container engine answers' };
      await expect(discover({ engine: 'docker' })).rejects.toMatchObject(nobody);
      await expect(discover()).rejects.toMatchObject(nobody);
      await mkdir(env.XDG_RUNTIME_DIR ?? '');
      await expect(discover({ engine: 'podman' })).rejects.toMatchObject(started);
    });
  });
});

describe('what makes no sense', () => {
  it('--host with --context', async () => {
    await expect(discover({ host: 'tcp://a:1', context: 'b' })).rejects.toMatchObject({ code: 'usage' });
  });

  it('a context that is not there, and never another engine instead', async () => {
    await listen('var/run/docker.sock');
    await expect(discover({ context: '../../etc' })).rejects.toMatchObject({
      code: 'engine-unreachable',
      message: '--context is "../../etc", and there is no such docker context',
    });
  });

  it('an address of another kind', async () => {
    env.DOCKER_HOST = '/run/docker.sock';
    await expect(discover()).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('DOCKER_HOST is "/run'),
    });
  });

  it('a configuration that is no JSON', async () => {
    await currentContext('x');
    await writeFile(join(root, 'home/.docker/config.json'), '{ "currentContext": ');
    await expect(discover()).rejects.toMatchObject({
      code: 'engine-unreachable',
      message: expect.stringContaining('config.json'),
    });
  });
});
