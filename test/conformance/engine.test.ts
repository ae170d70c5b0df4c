import { createConnection, createServer } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it, onTestFinished, vi } from 'vitest';
import { discoverEngine } from '../../src/engine/discovery.js';
import { connectEngine } from '../../src/engine/connect.js';
import { socketPath } from '../../src/engine/endpoint.js';
import { connectTestEngine, docker, testProject } from '../support/engine.js';
import { engineProxy } from '../support/engine-proxy.js';
import { NOBODY } from '../support/nobody.js';
import { engineFactsSuite } from './engine-facts-suite.js';
import { engineNamesSuite } from './engine-names-suite.js';
import { engineSuite } from './engine-suite.js';

engineSuite('Docker', connectTestEngine);
engineNamesSuite('Docker', connectTestEngine);
engineFactsSuite('Docker', connectTestEngine);

afterEach(() => {
  vi.unstubAllEnvs();
});

it('speaks tcp, over few connections', async () => {
  const { host } = await discoverEngine({ engine: 'docker', env: process.env });
  const path = socketPath(host) ?? '';
  expect(path, `a unix socket to stand behind, not ${host}`).not.toBe('');
  let connections = 0;
  const relay = createServer((client) => {
    connections += 1;
    const engine = createConnection({ path });
    client.pipe(engine).pipe(client);
    for (const end of [client, engine]) end.on('error', () => client.destroy());
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const address = relay.address();
  const port = typeof address === 'object' ? address?.port : undefined;

  const engine = await connectEngine({ ...NOBODY, host: `tcp://127.0.0.1:${port}` });
  const project = await testProject('engtcp');
  const services = ['a', 'b', 'c'].map(
    (name) => `  ${name}: { image: busybox:latest, command: ["true"], scale: 4 }`,
  );
  await project.write({ 'compose.yaml': ['services:', ...services].join('\n') });
  await project.compose('create', '--pull', 'never');

  for (let round = 0; round < 5; round++)
    expect(await engine.containers({ project: project.name })).toHaveLength(12);
  expect(connections).toBeLessThanOrEqual(8);
  expect(await engine.identity()).toMatchObject({ host: `tcp://127.0.0.1:${port}`, local: true });
  relay.close();
});

it.each([
  ['truncated', 'engine-unreachable'],
  ['cut', 'failed'],
] as const)('an answer that is %s is an error, and waited for no longer', async (fault, code) => {
  const proxy = await engineProxy();
  const engine = await connectEngine({ ...NOBODY, host: proxy.host });
  const asked = [
    () => engine.containers(),
    () => engine.identity(),
    () => engine.references('busybox'),
    () => engine.image('busybox:latest'),
  ];
  for (const ask of asked) {
    proxy.arm(fault, 1);
    await expect(ask()).rejects.toMatchObject({ code });
  }
  await proxy.close();
});

it('asks the endpoint it was given, whatever the environment says', async () => {
  const endpoint = await discoverEngine({ engine: 'docker', env: process.env });
  const { id } = await (await connectEngine(endpoint)).identity();
  vi.stubEnv('DOCKER_HOST', 'tcp://127.0.0.1:1');
  vi.stubEnv('DOCKER_TLS_VERIFY', '1');
  expect((await (await connectEngine(endpoint)).identity()).id).toBe(id);
});

it('stops what ends by itself and is started again, over and over', { timeout: 240_000 }, async () => {
  const engine = await connectTestEngine();
  const argv = ['run', '--detach', '--restart=always', 'busybox:latest', 'sh', '-c', 'exit 3'];
  for (let round = 0; round < 4; round += 1) {
    const id = await docker(...argv);
    onTestFinished(() => engine.removeHelper(id));
    await sleep(150 * round); // somewhere between an end and a start
    await engine.stop(id);
    await sleep(500); // for whoever would start it all the same
    expect((await engine.container(id))?.state).toBe('exited');
    await engine.remove(id);
  }
});
