import { expect, test } from 'vitest';
import { composeModelSchema } from '../../src/model/compose.js';
import type { Container } from '../../src/model/engine.js';
import { readComposeFiles } from '../../src/project/compose-files.js';
import { interpolate } from '../../src/engine/interpolation.js';
import { deduceProfiles } from '../../src/project/profiles.js';
import type { Environment, Reading } from '../../src/project/reading.js';
import { deduceVariables } from '../../src/project/variables.js';
import { containerOf, makeFolder, projectIn } from '../support/folder.js';

/** As Debian's compose tells its version; `2.26.1` is on the containers that it makes. */
const VERSION = '2.26.1-4';

/**
 * Deduces for these services, given as `compose.yaml` has them. The provider is played by interpolating each service's text: its hash is that
 * text, as compose's is a digest of it.
 */
async function deduce(
  services: Record<string, Record<string, unknown>>,
  containers: Container[],
  { env = {}, dotEnv = '', required = [] as string[] } = {},
) {
  const folder = await makeFolder({ 'compose.yaml': JSON.stringify({ services }), '.env': dotEnv });
  const sources = await readComposeFiles(projectIn(folder), env);
  let readings = 0;
  const read = async (withEnv: Environment): Promise<Reading> => {
    readings += 1;
    const { lookup } = await readComposeFiles(projectIn(folder), withEnv);
    if (required.some((name) => lookup(name) === undefined))
      return { model: undefined, modelError: 'missing', hashes: {} };
    const resolved = Object.entries(services).map(([name, service]) => [
      name,
      interpolate(JSON.stringify(service), lookup),
    ]);
    return {
      model: composeModelSchema.parse({
        services: Object.fromEntries(
          resolved.map(([name, text]) => [name, withoutPorts(JSON.parse(text ?? ''))]),
        ),
      }),
      modelError: undefined,
      hashes: Object.fromEntries(resolved),
    };
  };
  const reading = await read(env);
  readings = 0;
  const deduction = await deduceVariables({
    sources,
    env,
    containers,
    reading,
    read,
    providerVersion: VERSION,
  });
  return { ...deduction, readings };
}

/** Compose prints ports in their long form. */
const withoutPorts = (service: Record<string, unknown>) => ({ ...service, ports: [] });

const made = (service: string, configHash: string, more: Partial<Container> = {}) =>
  containerOf(service, { configHash, ...more });
const hashOf = (service: Record<string, unknown>, values: Record<string, string>) =>
  interpolate(JSON.stringify(service), (name) => values[name]);

const API = { image: 'app:${TAG:-v1}' };

test('nothing differs: today stands, and nothing is asked again', async () => {
  const result = await deduce({ api: API }, [made('api', hashOf(API, {}), { imageRef: 'app:v1' })]);
  expect(result).toMatchObject({
    variables: [{ name: 'TAG', value: null, source: 'file' }],
    warnings: [],
    readings: 0,
  });
});

test('TAG=v2 of the shell that started it is found again, and asked about once', async () => {
  const result = await deduce({ api: API }, [
    made('api', hashOf(API, { TAG: 'v2' }), { imageRef: 'app:v2' }),
  ]);
  expect(result.variables).toEqual([{ name: 'TAG', value: 'v2', source: 'container' }]);
  expect(result.env).toEqual({ TAG: 'v2' });
  expect(result.reading.model?.services['api']?.image).toBe('app:v2');
  expect(result.readings).toBe(1);
  expect(result.warnings).toEqual([expect.stringContaining('TAG')]);
  expect(result.warnings.join()).not.toContain('v2');
});

test('what runs wins over the shell of today, and the difference is told without values', async () => {
  const containers = [made('api', hashOf(API, { TAG: 'v2' }), { imageRef: 'app:v2' })];
  const result = await deduce({ api: API }, containers, { env: { TAG: 'v3' } });
  expect(result.variables).toEqual([{ name: 'TAG', value: 'v2', source: 'container' }]);
  expect(result.warnings).toEqual(['the value of TAG is taken from the running containers, not from here']);
});

test('environment, labels, names, ports and commands tell too', async () => {
  const service = {
    image: 'app',
    container_name: '${NAME:-none}',
    environment: { KEY: '${KEY:-}', FIXED: '1' },
    labels: { team: 'team-${TEAM}' },
    ports: ['${PORT:-8080}:80'],
    command: 'serve --level=${LEVEL:-info} --fast',
  };
  const values = { NAME: 'web', KEY: 's3cret', TEAM: 'red', PORT: '9090', LEVEL: 'debug' };
  const container = made('api', hashOf(service, values), {
    name: 'web',
    imageRef: 'app',
    env: { KEY: 's3cret', FIXED: '1', PATH: '/bin' },
    labels: { team: 'team-red' },
    ports: [{ containerPort: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 9090 }],
    command: ['/entry.sh', 'serve', '--level=debug', '--fast'],
  });
  const result = await deduce({ api: service }, [container]);
  expect(Object.fromEntries(result.variables.map(({ name, value }) => [name, value]))).toEqual(values);
  expect(result.warnings.join()).not.toContain('s3cret');
});

test('a value that .env has changed since is taken as it runs', async () => {
  const containers = [made('api', hashOf(API, { TAG: 'v1' }), { imageRef: 'app:v1' })];
  const result = await deduce({ api: API }, containers, { dotEnv: 'TAG=v2\n' });
  expect(result.variables).toEqual([{ name: 'TAG', value: 'v1', source: 'container' }]);
});

test('a guess that the hash does not confirm is no value', async () => {
  const containers = [made('api', 'of an edited file', { imageRef: 'app:v2' })];
  const result = await deduce({ api: API }, containers);
  expect(result.variables).toEqual([{ name: 'TAG', value: null, source: 'file' }]);
  expect(result.warnings).toEqual(['api runs with other settings than its files give now']);
});

test('what its default explains is no guess, and costs no second question', async () => {
  const containers = [made('api', 'of an edited file', { imageRef: 'app:v1' })];
  const result = await deduce({ api: API }, containers);
  expect(result).toMatchObject({ readings: 0, variables: [{ name: 'TAG', source: 'file' }] });
});

test('only what is confirmed is believed, where one service was edited', async () => {
  const web = { image: 'web:${WEB:-1}', labels: { edited: 'yes' } };
  const containers = [
    made('api', hashOf(API, { TAG: 'v2' }), { imageRef: 'app:v2' }),
    made('web', 'before the edit', { imageRef: 'web:7' }),
  ];
  const result = await deduce({ api: API, web }, containers);
  expect(result.variables).toEqual([
    { name: 'TAG', value: 'v2', source: 'container' },
    { name: 'WEB', value: null, source: 'file' },
  ]);
  expect(result.env).toEqual({ TAG: 'v2' });
  expect(result.reading.model?.services['web']?.image).toBe('web:1');
  expect(result.warnings).toContain('web runs with other settings than its files give now');
});

test('a value that would spoil another service is not believed', async () => {
  const web = { image: 'web:${TAG:-v1}' };
  const containers = [
    made('api', hashOf(API, { TAG: 'v2' }), { imageRef: 'app:v2' }),
    made('web', hashOf(web, {}), { imageRef: 'web:v1' }),
  ];
  const result = await deduce({ api: API, web }, containers);
  expect(result.variables).toEqual([{ name: 'TAG', value: null, source: 'file' }]);
  expect(result.warnings).toEqual(['api runs with other settings than its files give now']);
});

test('a required variable that is missing today is found, and the files resolve again', async () => {
  const service = { image: 'app:${TAG:?set it}' };
  const containers = [made('api', hashOf(service, { TAG: 'v2' }), { imageRef: 'app:v2' })];
  const result = await deduce({ api: service }, containers, { required: ['TAG'] });
  expect(result.reading.modelError).toBeUndefined();
  expect(result.variables).toEqual([{ name: 'TAG', value: 'v2', source: 'container' }]);
});

test('with files that do not resolve there is one complaint, not one a service', async () => {
  const containers = [made('api', 'x', { imageRef: 'app:v1' })];
  const result = await deduce({ api: { image: 'app:v1' } }, containers, { required: ['NEVER'] });
  expect(result.reading.modelError).toBe('missing');
  expect(result.warnings).toEqual([]);
});

test('hashes that cannot be compared are no difference when everything looks the same', async () => {
  const withEnvFile = { image: 'app', env_file: ['api.env'] };
  const withLabelFile = { image: 'app', label_file: 'api.labels' };
  const borrowing = { image: 'app', network_mode: 'service:db' };
  const plain = { image: 'app' };
  const containers = [
    made('file', 'other', { imageRef: 'app' }),
    made('net', 'other', { imageRef: 'app' }),
    made('labels', 'other', { imageRef: 'app' }),
    made('old', 'other', { imageRef: 'app', composeVersion: '2.20.0' }),
    made('podman', 'other', { imageRef: 'app', configHash: undefined }),
    made('changed', 'other', { imageRef: 'app' }),
    made('orphan', 'other', { imageRef: 'app' }),
  ];
  const services = {
    file: withEnvFile,
    labels: withLabelFile,
    net: borrowing,
    old: plain,
    podman: plain,
    changed: plain,
  };
  const result = await deduce(services, containers);
  expect(result.warnings).toEqual(['changed runs with other settings than its files give now']);
  expect(['file', 'labels', 'net', 'old', 'orphan'].map((name) => result.tells(name))).toEqual([
    false,
    false,
    false,
    true,
    false,
  ]);
});

test('profiles follow from the services that have containers', () => {
  const model = composeModelSchema.parse({
    services: {
      api: {},
      debug: { profiles: ['debug'] },
      both: { profiles: ['wide', 'narrow'] },
      idle: { profiles: ['wide'] },
    },
  });
  const of = (given: string[], running: string[]) =>
    deduceProfiles(
      given,
      model,
      running.map((name) => containerOf(name)),
    );
  expect(of([], ['api'])).toEqual({ profiles: [], added: [] });
  expect(of([], ['api', 'debug'])).toEqual({ profiles: ['debug'], added: ['debug'] });
  expect(of(['debug'], ['debug'])).toEqual({ profiles: ['debug'], added: [] });
  expect(of([], ['both']).added).toEqual(['narrow']);
  expect(of(['*'], ['both', 'debug']).added).toEqual([]);
});
