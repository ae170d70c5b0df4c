import { parse } from 'yaml';
import type { ComposeModel } from '../model/compose.js';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { readModel } from './compose-document.js';

/** What compose version 1 prints, in the shape of version 2. Pure. */

type Fields = Record<string, unknown>;

/**
 * Reads the YAML of `docker-compose config`. Services of profiles that are not among `profiles` are left out; undefined means that
 * every profile is active.
 */
export function normaliseV1(yaml: string, project: string, profiles: string[] | undefined): ComposeModel {
  // Python writes YAML 1.1.
  return normaliseModel(fields(parse(yaml, { version: '1.1' })), project, profiles, 'docker-compose');
}

/** A merged and interpolated document in the short forms that people write, in the shape of version 2. Throws `provider-failed`. */
export function normaliseModel(
  document: Fields,
  project: string,
  profiles: string[] | undefined,
  provider: string,
): ComposeModel {
  const active = Object.entries(fields(document.services)).filter(([, service]) =>
    isActive(list(fields(service).profiles), profiles),
  );
  const services = mapValues(Object.fromEntries(active), (service) => normaliseService(fields(service)));
  const model = {
    name: project,
    services,
    networks: withNames(withDefaultNetwork(fields(document.networks), Object.values(services)), project),
    volumes: withNames(fields(document.volumes), project),
    configs: withNames(fields(document.configs), project),
    secrets: withNames(fields(document.secrets), project),
  };
  return readModel(model, provider);
}

function isActive(own: unknown[], profiles: string[] | undefined): boolean {
  return own.length === 0 || profiles === undefined || own.some((name) => profiles.includes(text(name)));
}

function normaliseService(service: Fields): Fields {
  return {
    ...service,
    ...present('environment', service.environment, (value) => mapValues(fields(value), textOrNull)),
    ...present('labels', service.labels, (value) => mapValues(fields(value), text)),
    ...present('ports', service.ports, (value) => list(value).flatMap(normalisePorts)),
    ...present('expose', service.expose, (value) => list(value).map(text)),
    ...present('volumes', service.volumes, (value) => list(value).map(normaliseVolume)),
    ...present('configs', service.configs, (value) => list(value).map((entry) => normaliseFile(entry, '/'))),
    ...present('secrets', service.secrets, (value) =>
      list(value).map((entry) => normaliseFile(entry, '/run/secrets/')),
    ),
    ...present('depends_on', service.depends_on, normaliseDependencies),
    ...present('healthcheck', service.healthcheck, (value) => normaliseHealthcheck(fields(value))),
    ...present('build', service.build, (value) => (typeof value === 'string' ? { context: value } : value)),
  };
}

/** A range of ports is as many. */
function normalisePorts(port: unknown): Fields[] {
  const range = typeof port === 'string' ? /^(?:(.+:)?(\d+)-(\d+):)?(\d+)-(\d+)(\/\w+)?$/.exec(port) : null;
  if (range === null) return [normalisePort(port)];
  const [, ip = '', published, , first, last, protocol = ''] = range;
  const count = Number(last) - Number(first) + 1;
  return Array.from({ length: Math.max(0, count) }, (_, index) => {
    const outside = published === undefined ? '' : `${ip}${Number(published) + index}:`;
    return normalisePort(`${outside}${Number(first) + index}${protocol}`);
  });
}

/** `[ip:][published:]target[/protocol]`, or the long form with numbers. */
function normalisePort(port: unknown): Fields {
  if (typeof port === 'object') {
    const { published, ...rest } = fields(port);
    return { mode: 'ingress', protocol: 'tcp', ...rest, ...present('published', published, text) };
  }
  const match = /^(?:(?:(.+):)?([\d-]*):)?(\d+)(?:\/(\w+))?$/.exec(text(port));
  if (match === null)
    throw new RollbackError('provider-failed', `${quoted(text(port))} is no port that we can read`);
  const [, ip, published, target, protocol = 'tcp'] = match;
  return {
    mode: 'ingress',
    ...(ip ? { host_ip: ip } : {}),
    target: Number(target),
    ...(published ? { published } : {}),
    protocol,
  };
}

/** `target`, `source:target[:mode]`; a source that is no path is a volume. */
function normaliseVolume(volume: unknown): Fields {
  if (typeof volume !== 'string') return fields(volume);
  const [first = '', target, mode = ''] = volume.split(':');
  if (target === undefined) return { type: 'volume', target: first };
  const type = first.startsWith('/') ? 'bind' : 'volume';
  return { type, source: first, target, ...(mode.split(',').includes('ro') ? { read_only: true } : {}) };
}

function normaliseFile(entry: unknown, folder: string): Fields {
  const file = typeof entry === 'string' ? { source: entry } : fields(entry);
  return { target: `${folder}${text(file.source)}`, ...file };
}

function normaliseDependencies(value: unknown): Fields {
  if (!Array.isArray(value))
    return mapValues(fields(value), (entry) => ({ required: true, ...fields(entry) }));
  const names = value.map(text);
  return Object.fromEntries(names.map((name) => [name, { condition: 'service_started', required: true }]));
}

function normaliseHealthcheck({ test, ...rest }: Fields): Fields {
  if (test === undefined) return rest;
  const words = typeof test === 'string' ? ['CMD-SHELL', test] : list(test);
  return words[0] === 'NONE' ? { ...rest, disable: true } : { ...rest, test: words };
}

function withDefaultNetwork(networks: Fields, services: Fields[]): Fields {
  const used = services.some((service) => !service.networks && !service.network_mode);
  return used ? { default: null, ...networks } : networks;
}

function withNames(resources: Fields, project: string): Fields {
  return Object.fromEntries(
    Object.entries(resources).map(([key, resource]) => [
      key,
      { name: `${project}_${key}`, ...fields(resource) },
    ]),
  );
}

function present<T>(key: string, value: unknown, map: (value: unknown) => T): Record<string, T> {
  return value === undefined || value === null ? {} : { [key]: map(value) };
}

function mapValues<T>(value: Fields, map: (value: unknown) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, map(entry)]));
}

function textOrNull(value: unknown): string | null {
  return value === null ? null : text(value);
}

/** Numbers and booleans as they were written. */
function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
