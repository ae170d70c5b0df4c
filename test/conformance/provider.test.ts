import { describe, expect, it } from 'vitest';
import { discoverEngine } from '../../src/engine/discovery.js';
import type { ComposeRequest } from '../../src/engine/provider.js';
import { findProvider } from '../../src/engine/providers.js';
import { composeModelSchema } from '../../src/model/compose.js';
import { connectTestEngine, docker, testProject, type TestProject } from '../support/engine.js';
import { providerSuite } from './provider-suite.js';

const endpoint = () => discoverEngine({ engine: 'auto', env: process.env });

const version2 = async () => findProvider({ endpoint: await endpoint(), env: process.env });

const request = (project: TestProject, env: ComposeRequest['env']): ComposeRequest => ({
  name: project.name,
  directory: project.directory,
  files: [project.path('compose.yaml')],
  profiles: [],
  envFiles: [],
  env,
});

providerSuite('docker compose', version2);

describe('docker compose, version 2 and later', () => {
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
    expect(await provider.hashModel(asked, stored)).toEqual(labels);
    Object.assign(stored.services['web'] ?? {}, { user: 'nobody' });
    expect(await provider.hashModel(asked, stored)).not.toEqual(labels);
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

it('prefers version 2', async () => {
  const provider = await findProvider({ endpoint: await endpoint(), env: process.env });
  expect(provider.name).toBe('docker compose');
  expect(await provider.version()).toMatch(/^[2-9]\./);
  expect(provider.defaultImage('shop', 'api', undefined)).toBe('shop-api');
});
