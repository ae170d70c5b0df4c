import { get } from 'node:http';
import { docker, PODMAN } from '../support/engine.js';

/**
 * How a project is, by docker's own inspection and without any code of the product. What the engine made up (ids, times, addresses, names of
 * anonymous volumes) is left out; everything else is kept, whether or not it is known here.
 */

type Value = string | number | boolean | null | undefined | Value[] | { [key: string]: Value };
export type Fields = { [key: string]: Value };

export interface Inspection {
  containers: Fields;
  networks: Fields;
  volumes: Fields;
}

/** Hardware addresses that generated projects ask for start with this; all others are the engine's. */
const OWN_MAC = '02:00:5e:';

/** Compose 1 says which container one replaces; Podman 4.3 adds HOME with the second start. */
const ADDED_ENVIRONMENT = PODMAN === undefined ? /^affinity:container=/ : /^HOME=/;

/** What the engine reports of a container and decides by itself, or what stands in other fields. */
const GENERATED = [
  'Id',
  'Created',
  'Path',
  'Args',
  'State',
  'ResolvConfPath',
  'HostnamePath',
  'HostsPath',
  'LogPath',
  'RestartCount',
  'ExecIDs',
  'GraphDriver',
  'ImageManifestDescriptor',
  'NetworkSettings',
  'Config',
  'HostConfig',
  'Mounts',
  'Name',
];

/**
 * Inspects everything of the project, and what was made for it by hand under the label `property`. `lookInside`: also what configs, secrets and
 * binds put into the containers.
 */
export async function inspectProject(
  name: string,
  directory: string,
  lookInside: boolean,
): Promise<Inspection> {
  const labels = [`com.docker.compose.project=${name}`, `property=${name}`];
  const [containers, networks, volumes] = await Promise.all([
    inspectAll('containers', labels),
    inspectAll('networks', labels),
    Promise.all(labels.map((label) => request(`/volumes?filters=${filter(label)}`))),
  ]);
  const context = { names: readableNames(containers), directory, lookInside };
  const described = await Promise.all(containers.map((one) => describeContainer(one, context)));
  return {
    containers: Object.fromEntries(described.toSorted(([a], [b]) => (a < b ? -1 : 1))),
    networks: Object.fromEntries(networks.map((one) => [text(one['Name']), describeNetwork(one, context)])),
    volumes: Object.fromEntries(
      volumes.flatMap((list) => items(fields(list)['Volumes'])).flatMap(describeVolume),
    ),
  };
}

/** `docker inspect` of all that have one of the labels. */
async function inspectAll(kind: 'containers' | 'networks', labels: string[]): Promise<Fields[]> {
  const path = kind === 'containers' ? '/containers/json?all=1&filters=' : '/networks?filters=';
  const lists = await Promise.all(labels.map((label) => request(`${path}${filter(label)}`)));
  const ids = [...new Set(lists.flatMap(items).map((one) => text(fields(one)['Id'])))];
  const suffix = kind === 'containers' ? '/json' : '';
  return await Promise.all(ids.map(async (id) => fields(await request(`/${kind}/${id}${suffix}`))));
}

const filter = (label: string) => encodeURIComponent(JSON.stringify({ label: [label] }));

/** What the engine answers to `GET`, asked again where it fails: Podman 4.3 does when a container ends meanwhile. */
async function request(path: string, left = 5): Promise<Value> {
  const { status, answer } = await requestOnce(path);
  return status >= 500 && left > 0 ? await request(path, left - 1) : answer;
}

/** Four inspections a case by the command line take longer than the case. */
async function requestOnce(path: string): Promise<{ status: number; answer: Value }> {
  const socketPath = (process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock').replace('unix://', '');
  const chunks: Buffer[] = [];
  return await new Promise((resolve, reject) => {
    get({ socketPath, path, agent: false }, (response) => {
      const end = () => {
        const answer: Value = JSON.parse(Buffer.concat(chunks).toString());
        resolve({ status: response.statusCode ?? 0, answer });
      };
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', end);
    }).on('error', reject);
  });
}

interface Context {
  /** Container id, and name, to the name in the inspection. */
  names: Map<string, string>;
  directory: string;
  lookInside: boolean;
}

/** The numbers of replicas are compose's to choose: `web#0` is the first one, whatever its number. Other names stay. */
function readableNames(containers: Fields[]): Map<string, string> {
  const names = new Map<string, string>();
  const numbered = containers.map((one) => {
    const labels = fields(fields(one['Config'])['Labels']);
    const [project, service, number] = ['project', 'service', 'container-number'].map((key) =>
      text(labels[`com.docker.compose.${key}`]),
    );
    return {
      id: text(one['Id']),
      name: text(one['Name']).slice(1),
      plain: `${project}-${service}-`,
      service,
      number,
    };
  });
  const ranks = new Map<string, number>();
  for (const { id, name, plain, service, number } of numbered.toSorted(
    (a, b) => Number(a.number) - Number(b.number),
  )) {
    const rank = ranks.get(`${service}`) ?? 0;
    ranks.set(`${service}`, rank + 1);
    const readable = name === `${plain}${number}` ? `${service}#${rank}` : name;
    names.set(id, readable);
    names.set(name, readable);
  }
  return names;
}

function withReadableNames(value: Value, names: Map<string, string>): Value {
  let json = JSON.stringify(value ?? null);
  for (const [name, readable] of names) json = json.replaceAll(name, readable);
  return JSON.parse(json);
}

async function describeContainer(raw: Fields, context: Context): Promise<[string, Fields]> {
  const id = text(raw['Id']);
  const state = fields(raw['State']);
  const { Hostname: host, Image: _, MacAddress: __, ...config } = fields(raw['Config']);
  const rest = Object.fromEntries(Object.entries(raw).filter(([key]) => !GENERATED.includes(key)));
  const attachments = fields(fields(raw['NetworkSettings'])['Networks']);
  const facts: Fields = {
    ...rest,
    status: state['Status'],
    config: {
      ...withoutComposeLabels(config),
      hostname: host === id.slice(0, 12) ? undefined : host,
      // Podman has it in the environment, too.
      Env: sorted(
        items(config['Env']).filter(
          (entry) => entry !== `HOSTNAME=${id.slice(0, 12)}` && !ADDED_ENVIRONMENT.test(text(entry)),
        ),
      ),
    },
    host: describeHostConfig(fields(raw['HostConfig']), context),
    mounts: sorted(items(raw['Mounts']).map((mount) => describeMount(fields(mount), context))),
    networks: Object.fromEntries(
      Object.entries(attachments).map(([name, one]) => [
        name,
        describeAttachment(fields(withReadableNames(one, context.names)), id),
      ]),
    ),
    published: describePorts(fields(fields(raw['NetworkSettings'])['Ports'])),
    inside: context.lookInside && state['Status'] === 'running' ? await hashInside(id) : undefined,
  };
  return [context.names.get(id) ?? id, withSortedKeys(facts)];
}

function describeHostConfig(raw: Fields, { names, directory }: Context): Fields {
  const { ContainerIDFile: _, Binds: __, Mounts: requested, ...host } = raw;
  const named = Object.entries(host).map(([key, value]): [string, Value] => {
    const json = JSON.stringify(withReadableNames(value, names)).replaceAll(directory, '.');
    const readable: Value = JSON.parse(json.replaceAll(/[0-9a-f]{64}/g, 'anonymous'));
    if (!Array.isArray(readable) || key === 'ConsoleSize') return [key, readable];
    return [key, sorted(readable)];
  });
  return {
    ...Object.fromEntries(named),
    mountOptions: sorted(items(requested).flatMap(describeMountOptions)),
  };
}

/** One mount may be asked for in two ways, as a bind or as a mount, and one that compose carries over in a third: the options count. */
function describeMountOptions(raw: Value): Fields[] {
  const mount = fields(raw);
  const { CreateMountpoint: _, ...bind } = fields(mount['BindOptions']);
  const options = {
    ...bind,
    ...fields(mount['VolumeOptions']),
    ...fields(mount['TmpfsOptions']),
    ...fields(mount['ImageOptions']),
  };
  return Object.keys(options).length === 0 ? [] : [{ target: mount['Target'], options }];
}

function describeMount(raw: Fields, { directory }: Context): Fields {
  // The mode repeats what is in other fields, in one of two spellings.
  const { Name: name, Source: source, Mode: _, ...mount } = raw;
  if (raw['Type'] === 'bind') return { ...mount, Source: text(source).replace(directory, '.') };
  if (raw['Type'] !== 'volume') return { ...mount, Name: name };
  return isAnonymous(text(name)) ? { ...mount, Name: 'anonymous' } : { ...mount, Name: name };
}

function describeAttachment(raw: Fields, id: string): Fields {
  const mac = text(raw['MacAddress']);
  return {
    aliases: sorted(items(raw['Aliases']).filter((alias) => alias !== id.slice(0, 12))),
    requested: fields(raw['IPAMConfig']),
    links: sorted(raw['Links']),
    options: fields(raw['DriverOpts']),
    priority: raw['GwPriority'],
    mac: mac.startsWith(OWN_MAC) ? mac : undefined,
  };
}

/** Ports as they are published; those that the engine chose count as chosen. */
function describePorts(ports: Fields): Fields {
  const isChosen = (port: Value) => Number(port) >= 32_768;
  const described = Object.entries(ports).map(([port, bindings]): [string, Value] => [
    port,
    items(bindings).map((binding) => {
      const { HostIp: ip, HostPort: number } = fields(binding);
      return `${text(ip)}:${isChosen(number) ? 'chosen' : text(number)}`;
    }),
  ]);
  return Object.fromEntries(described);
}

/** Bytes, modes and owners of what configs and secrets put into a container. */
async function hashInside(id: string): Promise<Value> {
  const files =
    'find /run/secrets /etc/config* /etc/secret* /given* /own /etc/property -type f 2>/dev/null | sort';
  const each = 'stat -c "%n %a %u:%g" "$file"; sha256sum < "$file"';
  const script = `${files} | while read -r file; do ${each}; done`;
  return (await docker('exec', '--user', '0', id, 'sh', '-c', script)).split('\n');
}

function describeNetwork(raw: Fields, { names }: Context): Fields {
  const { Id: _, Created: __, Containers: members, Status: ___, Peers: ____, ...network } = raw;
  const ipam = fields(network['IPAM']);
  // Subnets that nobody declared come from the engine's pools; generated projects declare some in 10.128.0.0/9 and fd00:.
  const declared = items(ipam['Config']).filter((one) =>
    /^10\.(?:1[3-9]\d)\.|^fd00:/.test(text(fields(one)['Subnet'])),
  );
  return {
    ...withoutComposeLabels(network),
    IPAM: { ...ipam, Config: declared },
    members: sorted(
      Object.values(fields(members)).map((one) => {
        const name = text(fields(one)['Name']);
        return names.get(name) ?? name;
      }),
    ),
  };
}

function describeVolume(raw: Value): [string, Fields][] {
  const { CreatedAt: _, Mountpoint: __, Status: ___, ...facts } = fields(raw);
  const name = text(facts['Name']);
  return isAnonymous(name) ? [] : [[name, withoutComposeLabels(facts)]];
}

function withoutComposeLabels(facts: Fields): Fields {
  const labels = Object.entries(fields(facts['Labels'])).filter(
    ([key]) => !key.startsWith('com.docker.compose.'),
  );
  return { ...facts, Labels: Object.fromEntries(labels) };
}

/** Equal values are equal as JSON then. */
function withSortedKeys(value: Value): Fields {
  const parsed: Fields = JSON.parse(
    JSON.stringify(value, (_, part: Value) => {
      const entries = Object.entries(fields(part)).toSorted(([a], [b]) => (a < b ? -1 : 1));
      return entries.length === 0 ? part : Object.fromEntries(entries);
    }),
  );
  return parsed;
}

const isAnonymous = (volume: string) => /^[0-9a-f]{64}$/.test(volume);

function fields(value: Value): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}

const text = (value: Value): string => (typeof value === 'string' ? value : JSON.stringify(value ?? ''));

const items = (value: Value): Value[] => (Array.isArray(value) ? value : []);

const sorted = (value: Value): Value[] =>
  items(value).toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

/** Where two values differ: `path: before -> after`, one a line. */
export function differences(before: unknown, after: unknown, path = ''): string[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (!isRecord(before) || !isRecord(after)) return [`${path}: ${short(before)} -> ${short(after)}`];
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key) => differences(before[key], after[key], path === '' ? key : `${path}.${key}`));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const short = (value: unknown) => (JSON.stringify(value) ?? 'nothing').slice(0, 120);
