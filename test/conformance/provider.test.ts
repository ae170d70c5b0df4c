import { describe, expect, it } from 'vitest';
import { discoverEngine } from '../../src/engine/discovery.js';
import { runProgram } from '../../src/engine/program.js';
import type { ComposeRequest } from '../../src/engine/provider.js';
import { findProvider } from '../../src/engine/providers.js';
import { composeModelSchema } from '../../src/model/compose.js';
import { connectTestEngine, docker, testProject, type TestProject } from '../support/engine.js';
import { providerSuite } from './provider-suite.js';

const endpoint = () => discoverEngine({ engine: 'auto', env: process.env });

/** Compose 1.29, as the lab unpacks it. */
const legacy = process.env.COMPOSE_V1 ?? '/COMPOSE_V1-is-not-set';

const version1 = async () => findProvider({ endpoint: await endpoint(), env: process.env, prefer: legacy });

const v1 = (project: TestProject, ...words: string[]) =>
  runProgram([legacy, '-p', project.name, ...words], { cwd: project.directory, env: process.env });

providerSuite('docker compose', async () => findProvider({ endpoint: await endpoint(), env: process.env }));

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

describe('docker compose, version 2 and later', () => {
  const version2 = async () => findProvider({ endpoint: await endpoint(), env: process.env });
  const building = (ssh: string) => `
services:
  built: { build: { context: ., ssh: [${ssh}] } }
  web:
    image: busybox:latest
    command: [a, "12:30:45", "on", "- b", "$$HOME", "1e3", " c\\n  d\\n"]
    environment: { DATE: "2020-01-01", BIG: "12345678901234567890", OCTAL: "0123", UNSET: , EMPTY: "" }
    stop_grace_period: 90s
    deploy: { resources: { limits: { memory: 50M, cpus: "0.50" } } }
x-more: { when: 2020-01-01, big: 1.5e10, list: [yes, ~] }
`;

  it('reads what compose can print as YAML only, as it reads the rest', async () => {
    const [project, provider] = [await testProject('engyaml'), await version2()];
    const read = async (ssh: string) => {
      await project.write({ 'compose.yaml': building(ssh) });
      return await provider.config(request(project, process.env));
    };
    const [json, yaml] = [await read('default'), await read('key=/key')];
    expect(yaml.services['built']?.build).toMatchObject({ ssh: ['key: /key'] });
    expect(yaml['x-more']).toEqual(json['x-more']);
    // JSON has what is not set as null or empty.
    expect(json.services['web']).toMatchObject(yaml.services['web'] ?? {});
    expect(yaml.services['web']?.environment).toHaveProperty('UNSET', null);
  });

  it('hashes a resolved model as containers carry it, what env files gave included', async () => {
    const [project, provider] = [await testProject('enghash'), await version2()];
    const engine = await connectTestEngine();
    await project.write({
      'compose.yaml': HASHED,
      'app.env': 'FROM_FILE=a$$b\nHOME\n',
      'app.conf': 'a\n',
      Dockerfile: 'FROM busybox:latest\n',
    });
    await docker('tag', 'busybox:latest', `${project.name}-built`);
    await project.compose('up', '--no-start');
    const asked = request(project, process.env);
    const model = await provider.config(asked);
    // As a point keeps it.
    const stored = composeModelSchema.parse(JSON.parse(JSON.stringify(model)));
    const containers = await engine.containers({ project: project.name });
    const labels = Object.fromEntries(containers.map(({ service, configHash }) => [service, configHash]));
    expect(Object.keys(labels)).toHaveLength(4);
    expect(await provider.hashesOf(asked, stored)).toEqual(labels);
    Object.assign(stored.services['web'] ?? {}, { user: 'nobody' });
    expect(await provider.hashesOf(asked, stored)).not.toEqual(labels);
  });
});

/** What an odd text, a file's mode and replicas might do to a hash. */
const HASHED = `
services:
  web:
    image: busybox:latest
    command: ["$$HOME", "on", "\\u2028 \\n", " 12:30:45\\n b"]
    environment: { UNSET: , EMPTY: "", NUMBER: 1.10, EMOJI: "\\U0001F600" }
    configs: [{ source: conf, target: /conf, mode: 0440 }]
    volumes: [".:/here:ro", "data:/data", { type: tmpfs, target: /scratch, tmpfs: { mode: 0770 } }]
    ports: ["80", "127.0.0.1:0:81/udp"]
    depends_on: { plain: { condition: service_started, restart: true } }
    deploy: { replicas: 1, resources: { limits: { cpus: "0.50", memory: 50M } } }
    labels: { switch: "on", octal: "0123" }
    ulimits: { nofile: { soft: 100, hard: 200 } }
    healthcheck: { test: "true", interval: 90s }
    stop_grace_period: 90s
  environed: { image: busybox:latest, env_file: [app.env], environment: { OWN: "1" } }
  plain: { image: busybox:latest, networks: { back: { aliases: [b, a] } } }
  built: { build: { context: ., ssh: [default] }, entrypoint: [], extra_hosts: ["a:1.2.3.4"] }
configs: { conf: { file: app.conf } }
volumes: { data: }
networks: { back: { internal: true } }
`;

describe('findProvider', () => {
  it('prefers version 2', async () => {
    const provider = await findProvider({ endpoint: await endpoint(), env: process.env });
    expect(provider.name).toBe('docker compose');
    expect(await provider.version()).toMatch(/^[2-9]\./);
    expect(provider.defaultImage('shop', 'api')).toBe('shop-api');
  });

  it('takes the version 1 that COMPOSE_ROLLBACK_PROVIDER asks for', async () => {
    const env = { ...process.env, COMPOSE_ROLLBACK_PROVIDER: legacy };
    const provider = await findProvider({ endpoint: await endpoint(), env });
    expect(provider.name).toBe('docker-compose');
    expect(await provider.version()).toMatch(/^1\./);
    expect(provider.defaultImage('shop', 'api')).toBe('shop_api');
  });
});
