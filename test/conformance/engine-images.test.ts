import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createConnection, createServer, type Server } from 'node:net';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { discoverEngine } from '../../src/engine/discovery.js';
import { connectEngine } from '../../src/engine/connect.js';
import { socketPath } from '../../src/engine/endpoint.js';
import type { Engine } from '../../src/engine/engine.js';
import { answer, freePort, until } from '../support/e2e.js';
import { connectTestEngine, docker, testProject, type TestProject } from '../support/engine.js';
import { digestIn } from '../support/registry.js';

/** Images out of an engine, back into it, and out of a registry. */

let engine: Engine;
let project: TestProject;
let tag: string;
let id: string;

/** An image that only we have: its id. */
async function build(reference: string): Promise<string> {
  await project.write({
    'image/Dockerfile': `FROM busybox:latest\nLABEL of=${reference}\nRUN echo ${reference} > /of\n`,
  });
  await docker('build', '--quiet', '--tag', reference, project.path('image'));
  return await docker('image', 'inspect', '--format', '{{.Id}}', reference);
}

beforeAll(async () => {
  engine = await connectTestEngine();
  project = await testProject('engimages');
  tag = `${project.name}/api:v1`;
});

describe('saved and loaded', () => {
  // A test that failed may have left it without its name.
  beforeEach(async () => {
    if (!(await engine.image(tag))) id = await build(tag);
  });

  it.each(['plain', 'gzipped'])('an image comes back from a %s archive', async (how) => {
    const saved = await buffer(await engine.saveImage(id));
    expect(saved.byteLength).toBeGreaterThan(1_000_000);
    const { diffIds } = (await engine.image(id)) ?? expect.fail('no image');
    await engine.untag(tag);
    expect(await engine.image(id)).toBeUndefined();

    const archive = Readable.from([saved], { objectMode: false });
    const loaded = await engine.loadImages(
      how === 'plain' ? archive : archive.pipe(createGzip({ level: 1 })),
    );
    expect(loaded).toHaveLength(1);
    expect(await engine.image(loaded[0] ?? '')).toMatchObject({ id, diffIds, tags: [] });
    await engine.tag(id, tag);
  });

  it('tells the names that an archive gave', async () => {
    const saved = await buffer(await engine.saveImage(tag));
    await engine.untag(tag);
    expect(await engine.loadImages(Readable.from([saved], { objectMode: false }))).toEqual([tag]);
  });

  it('fails for an image that is not there, and for what is no archive', async () => {
    const missing = `sha256:${'f'.repeat(64)}`;
    await expect(engine.saveImage(missing)).rejects.toMatchObject({ code: 'failed' });
    await expect(engine.saveImage('../x')).rejects.toMatchObject({ code: 'usage' });
    const nonsense = Readable.from([Buffer.alloc(4096, 1)], { objectMode: false });
    await expect(engine.loadImages(nonsense)).rejects.toMatchObject({ code: 'failed' });
  });

  it('fails when the archive breaks off', async () => {
    const saved = await buffer(await engine.saveImage(id));
    const broken = async function* () {
      yield saved.subarray(0, 300_000);
      throw new Error('the disk is gone');
    };
    await expect(engine.loadImages(Readable.from(broken(), { objectMode: false }))).rejects.toThrow(
      'the disk is gone',
    );
    expect((await engine.image(id))?.id).toBe(id);
  });

  it('fails when the connection breaks off', async () => {
    const relay = await breakingAfter(400_000);
    const endpoint = await discoverEngine({ engine: 'docker', env: process.env });
    const far = await connectEngine({ ...endpoint, host: `tcp://127.0.0.1:${relay.port}` });
    const stream = await far.saveImage(id);
    await expect(buffer(stream)).rejects.toMatchObject({ code: 'engine-unreachable' });
    relay.server.close();
  });
});

/** Stands before the engine and cuts the line after so many bytes of answers. */
async function breakingAfter(limit: number): Promise<{ server: Server; port: number }> {
  const path = socketPath((await discoverEngine({ engine: 'docker', env: process.env })).host) ?? '';
  const server = createServer((client) => {
    const upstream = createConnection({ path });
    client.pipe(upstream);
    let passed = 0;
    upstream.on('data', (chunk) => {
      passed += chunk.byteLength;
      if (passed > limit) client.destroy();
      else client.write(chunk);
    });
    for (const end of [client, upstream])
      end.on('error', () => client.destroy()).on('close', () => upstream.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return { server, port: typeof address === 'object' && address ? address.port : 0 };
}

describe('pulled', () => {
  let registry: ChildProcess;
  let repository: string;
  let digest: string;

  beforeAll(async () => {
    const port = await freePort();
    await project.write({
      'registry.yml': `version: 0.1\nstorage: { filesystem: { rootdirectory: ${project.path('registry')} } }\nhttp: { addr: '127.0.0.1:${port}' }\n`,
    });
    const program = process.env['REGISTRY_BIN'];
    if (program === undefined) throw new Error('REGISTRY_BIN is not set: eval "$(scripts/lab.sh env)"');
    registry = spawn(program, ['serve', project.path('registry.yml')], { stdio: 'ignore' });
    await until(async () => (await answer(port, '/v2/')) === '{}', 'the registry answers');
    repository = `127.0.0.1:${port}/${project.name}`;
    for (const version of ['latest', 'old']) {
      await build(`${repository}:${version}`);
      await docker('push', '--quiet', `${repository}:${version}`);
      await docker('image', 'rm', `${repository}:${version}`);
    }
    digest = await digestIn(port, project.name, 'old');
  });

  afterEach(async () => {
    for (const rest of [':latest', ':old', `@${digest}`]) {
      if (await engine.image(repository + rest)) await docker('image', 'rm', repository + rest);
    }
  });

  afterAll(async () => {
    const ended = once(registry, 'exit');
    registry.kill();
    await ended;
  });

  it('one tag alone, `latest` when none is named', async () => {
    await engine.pull(repository);
    expect((await engine.image(`${repository}:latest`))?.tags).toEqual([`${repository}:latest`]);
    expect(await engine.image(`${repository}:old`)).toBeUndefined();
  });

  it('by digest', async () => {
    await engine.pull(`${repository}@${digest}`);
    expect(await engine.image(`${repository}@${digest}`)).toMatchObject({
      tags: [],
      digests: [`${repository}@${digest}`],
    });
  });

  it("fails with the registry's words", async () => {
    await expect(engine.pull(`${repository}:never`)).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('never'),
    });
    await expect(engine.pull(`${repository}@sha256:${'f'.repeat(64)}`)).rejects.toMatchObject({
      code: 'failed',
    });
  });
});
