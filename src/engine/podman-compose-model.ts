import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { parse } from 'yaml';
import type { ComposeModel } from '../model/compose.js';
import { messageOf, RollbackError } from '../model/errors.js';
import { normaliseModel } from './compose-v1-model.js';
import type { Environment } from './endpoint.js';
import { nameSettings, separatorOf, type Dialect } from './podman-compose-dialect.js';
import { parseTemplate, render, type Lookup, type Part } from './interpolation.js';
import type { ComposeRequest } from './provider.js';

/** The compose files as podman-compose reads them: merged, interpolated and extended, in the shape that `docker compose config` prints. */

type Fields = Record<string, unknown>;

/** Throws `provider-failed` for files that cannot be understood, naming no values. */
export async function readPodmanModel(
  request: ComposeRequest,
  dialect: Dialect,
  allProfiles: boolean,
): Promise<ComposeModel> {
  const { modern } = dialect;
  const lookup = await lookupOf(request, modern);
  let merged: Fields = {};
  for (const file of request.files) {
    merged = mergedFields(merged, await readInterpolated(file, lookup));
  }
  const services = fields(merged['services']);
  const resolved: Fields = {};
  for (const name of Object.keys(services)) {
    const service = await withBase(fields(services[name]), services, {
      directory: request.directory,
      lookup,
      passed: [name],
    });
    resolved[name] = await plainService(service, request.directory, lookup, dialect);
  }
  if (modern && merged['include'] !== undefined) {
    throw new RollbackError('provider-failed', '`include` of podman-compose is not read here', {
      hint: 'name the files with -f instead',
    });
  }
  const settings = dialect.settings ? nameSettings(fields(merged['x-podman']), lookup) : {};
  const document = {
    ...merged,
    services: resolved,
    ...withPaths(merged, request.directory),
    networks: withOwnNames(merged['networks']),
    // Before 1.1 it prefixes those of volumes, external or not.
    volumes: modern ? withOwnNames(merged['volumes']) : fields(merged['volumes']),
  };
  const profiles = allProfiles || !modern ? undefined : request.profiles;
  const model = { ...normaliseModel(document, request.name, profiles, 'podman-compose'), ...settings };
  return { ...model, networks: joinedNetworks(model, fields(merged['networks'])) };
}

/** Applies to generated names; volumes keep their underscores. */
function joinedNetworks(model: ComposeModel, written: Fields): ComposeModel['networks'] {
  const separator = separatorOf(model);
  if (separator === '_') return model.networks;
  const networks = Object.entries(model.networks).map(([key, network]) => {
    const { name, external } = fields(written[key]);
    return [
      key,
      name === undefined && !external ? { ...network, name: `${model.name}${separator}${key}` } : network,
    ];
  });
  return Object.fromEntries(networks);
}

async function lookupOf(
  { directory, envFiles, env, name }: ComposeRequest,
  modern: boolean,
): Promise<Lookup> {
  const [file = join(directory, '.env')] = envFiles;
  const written: Environment = parseEnv(await textOf(file, ''));
  const own: Environment = { COMPOSE_PROJECT_NAME: name };
  const [first, second] = modern ? [env, written] : [written, env];
  return (variable) => own[variable] ?? first[variable] ?? second[variable];
}

async function textOf(path: string, otherwise?: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
    if (otherwise !== undefined && code === 'ENOENT') return otherwise;
    throw unreadable(path, thrown);
  }
}

function unreadable(path: string, cause: unknown): RollbackError {
  const details = messageOf(cause).split('\n').slice(0, 1);
  return new RollbackError('provider-failed', `the compose file ${path} cannot be read`, { details, cause });
}

async function readInterpolated(path: string, lookup: Lookup): Promise<Fields> {
  const text = await textOf(path);
  let document: unknown;
  try {
    // Python reads YAML 1.1.
    document = parse(text, { version: '1.1', logLevel: 'error' });
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
  const found = fields(interpolated(document, lookup));
  const services = Object.entries(fields(found['services'])).map(([name, service]) => [
    name,
    withMaps(fields(service)),
  ]);
  return { ...found, services: Object.fromEntries(services) };
}

function interpolated(value: unknown, lookup: Lookup): unknown {
  if (typeof value === 'string') return value.includes('$') ? rendered(parseTemplate(value), lookup) : value;
  if (Array.isArray(value)) return value.map((one) => interpolated(one, lookup));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, interpolated(one, lookup)]));
}

function rendered(parts: Part[], lookup: Lookup): string {
  for (const part of parts) {
    if (typeof part === 'string' || !part.operator.endsWith('?')) continue;
    const value = lookup(part.name);
    if (value !== undefined && (value !== '' || part.operator === '?')) continue;
    throw new RollbackError('provider-failed', `the required variable ${part.name} is not set`, {
      details: [`required variable ${part.name} is missing a value`],
    });
  }
  return render(parts, lookup);
}

/** `[A=b]` is `{ A: b }`. */
function withMaps(service: Fields): Fields {
  const maps = ['environment', 'labels'].flatMap((key) =>
    Array.isArray(service[key]) ? [[key, mapOf(service[key])]] : [],
  );
  return { ...service, ...Object.fromEntries(maps) };
}

function mapOf(entries: unknown[]): Fields {
  return Object.fromEntries(
    entries.map((entry) => {
      const text = String(entry);
      const at = text.indexOf('=');
      return at === -1 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

/** Lists grow, of volumes the later one of a target counts; anything else is replaced. */
function mergedFields(one: Fields, other: Fields): Fields {
  const result = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const earlier = result[key];
    if (Array.isArray(earlier) && Array.isArray(value) && !['command', 'entrypoint'].includes(key)) {
      const targets = new Set(key === 'volumes' ? value.map(targetOf) : []);
      result[key] = [...earlier.filter((entry) => !targets.has(targetOf(entry))), ...value];
    } else if (isFields(earlier) && isFields(value)) {
      result[key] = mergedFields(earlier, value);
    } else result[key] = value;
  }
  return result;
}

const targetOf = (volume: unknown) =>
  (typeof volume === 'string' ? volume.split(':')[1] : fields(volume)['target']) ?? volume;

interface Extending {
  directory: string;
  lookup: Lookup;
  /** Services that led here: a circle ends. */
  passed: string[];
}

async function withBase(service: Fields, services: Fields, at: Extending): Promise<Fields> {
  const { extends: extending, ...own } = service;
  const { service: base, file } =
    typeof extending === 'string' ? { service: extending, file: undefined } : fields(extending);
  if (typeof base !== 'string') return own;
  const path = typeof file === 'string' ? resolve(at.directory, file) : undefined;
  const there = path === undefined ? services : fields((await readInterpolated(path, at.lookup))['services']);
  const step = `${path ?? ''}#${base}`;
  if (at.passed.includes(step)) return own;
  const further = {
    ...at,
    directory: path === undefined ? at.directory : dirname(path),
    passed: [...at.passed, step],
  };
  return mergedFields(await withBase(fields(there[base]), there, further), own);
}

/** With absolute paths, and the environment that its files and the shell give. */
async function plainService(
  service: Fields,
  directory: string,
  lookup: Lookup,
  { modern, scales }: Dialect,
): Promise<Fields> {
  const { env_file: envFiles, environment, volumes, build, scale, deploy, profiles, ...rest } = service;
  let values: Environment = {};
  for (const entry of listOf(envFiles)) {
    const path = typeof entry === 'string' ? entry : fields(entry)['path'];
    const needed = fields(entry)['required'] !== false;
    if (typeof path === 'string') {
      values = { ...values, ...parseEnv(await textOf(resolve(directory, path), needed ? undefined : '')) };
    }
  }
  const given = Object.entries(fields(environment)).map(([name, value]) => [
    name,
    value ?? lookup(name) ?? null,
  ]);
  const { context = '.', ...recipe } = typeof build === 'string' ? { context: build } : fields(build);
  return {
    ...rest,
    ...(modern && profiles !== undefined && { profiles }),
    ...(scales && scale !== undefined && { scale: Number(scale) }),
    ...(deploy !== undefined && { deploy: scales ? withoutIdleReplicas(fields(deploy)) : deploy }),
    environment: { ...values, ...Object.fromEntries(given) },
    volumes: listOf(volumes).map((volume) => absoluteVolume(volume, directory)),
    ...(build !== undefined && {
      build: { ...recipe, ...(typeof context === 'string' && { context: resolve(directory, context) }) },
    }),
  };
}

function withoutIdleReplicas({ replicas, ...deploy }: Fields): Fields {
  return deploy['mode'] === 'replicated' && replicas !== undefined ? { ...deploy, replicas } : deploy;
}

/** What starts with a dot, a slash or a tilde is a path; anything else is a volume's name. */
function absoluteVolume(volume: unknown, directory: string): unknown {
  const absolute = (source: string) =>
    /^[./~]/.test(source) ? resolve(directory, source.replace(/^~(?=\/|$)/, homedir())) : source;
  if (typeof volume === 'string') {
    const [source = '', ...more] = volume.split(':');
    return more[0]?.startsWith('/')
      ? [absolute(source), ...more].join(':')
      : { type: 'volume', target: source };
  }
  const { source, ...rest } = fields(volume);
  const bind = rest['type'] === 'bind';
  return {
    type: 'volume',
    ...rest,
    ...(typeof source === 'string' && { source: bind ? resolve(directory, source) : absolute(source) }),
  };
}

/** Files of `configs:` and `secrets:`. */
function withPaths(document: Fields, directory: string): Fields {
  const sections = ['configs', 'secrets'].map((section) => {
    const resources = Object.entries(fields(document[section])).map(([name, resource]) => {
      const { file, ...rest } = fields(resource);
      return [name, typeof file === 'string' ? { ...rest, file: resolve(directory, file) } : rest];
    });
    return [section, Object.fromEntries(resources)];
  });
  return Object.fromEntries(sections);
}

/** What somebody else made is called as they called it. */
function withOwnNames(resources: unknown): Fields {
  const named = Object.entries(fields(resources)).map(([key, resource]) => {
    const { external } = fields(resource);
    return [key, external ? { name: fields(external)['name'] ?? key, ...fields(resource) } : resource];
  });
  return Object.fromEntries(named);
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fields(value: unknown): Fields {
  return isFields(value) ? value : {};
}

function listOf(value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}
