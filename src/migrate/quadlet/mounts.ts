import type { ComposeModel, ComposeService } from '../../model/compose.js';
import { isGiven, recordOf, textOf } from '../values.js';
import type { Part } from './part.js';
import { isPlain, line, literal, named, option, podmanArg, remark, word, type Piece } from './text.js';

/** What a container mounts, and the volumes of a project as units. */

type Mount = ComposeService['volumes'][number];
type FileReference = ComposeService['secrets'][number];

export function volumes(_: unknown, { service, ...part }: Part): Piece[] {
  return service.volumes.flatMap((mount) => mounted(mount, part));
}

function mounted(mount: Mount, part: Omit<Part, 'service'>): Piece[] {
  const { type, source, target } = mount;
  if (type === 'tmpfs') return [option('Tmpfs', 'tmpfs', `${target}${tmpfsOptions(mount)}`)];
  if (type === 'bind' && source !== undefined) return bound(source, mount);
  if (type !== 'volume') return [remark(`its mount of type ${type} at ${target} has no counterpart`)];
  if (source !== undefined) return bound(volumeReference(source, part), mount);
  return [
    ...bound(undefined, mount),
    remark(
      `the anonymous volume at ${target} goes whenever the service stops: name it where its data has to stay`,
    ),
  ];
}

function bound(source: string | undefined, mount: Mount): Piece[] {
  const { target, read_only } = mount;
  const bind = recordOf(mount['bind']);
  const volume = recordOf(mount['volume']);
  const options = [
    ...(read_only ? ['ro'] : []),
    ...(volume['nocopy'] === true ? ['nocopy'] : []),
    ...[textOf(bind['selinux']), textOf(bind['propagation'])].filter((one) => one !== undefined),
  ];
  const rest = { ...bind, ...volume, ...without(mount, KNOWN_MOUNT) };
  const lost = Object.keys(rest).filter((key) => isGiven(rest[key]) && !KNOWN_OPTIONS.includes(key));
  const places = source === undefined ? [target] : [source, target];
  if (places.some((place) => place.includes(':') || !isPlain(place)))
    return [remark(`its mount at ${JSON.stringify(target)} cannot be written in a unit`)];
  return [
    line('Container', 'Volume', literal([...places, ...joined(options)].join(':'))),
    ...lost.map((key) => remark(`${key} of its mount at ${target} has no counterpart`)),
  ];
}

const KNOWN_MOUNT = ['type', 'source', 'target', 'read_only', 'bind', 'volume', 'consistency'];
const KNOWN_OPTIONS = ['nocopy', 'selinux', 'propagation', 'create_host_path'];

const joined = (options: string[]) => (options.length === 0 ? [] : [options.join(',')]);

function without(record: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));
}

function tmpfsOptions(mount: Mount): string {
  const { size, mode } = recordOf(mount['tmpfs']);
  const options = [
    ...(mount.read_only ? ['ro'] : []),
    ...(isGiven(size) ? [`size=${textOf(size)}`] : []),
    ...(typeof mode === 'number' ? [`mode=${mode.toString(8)}`] : []),
  ];
  return options.length === 0 ? '' : `:${options.join(',')}`;
}

/** Its unit; of an external one, that nothing here makes, the name. */
function volumeReference(key: string, { project, model }: Omit<Part, 'service'>): string {
  const volume = model.volumes[key];
  return isGiven(volume?.external) ? nameOf(model, key, project) : named(`${project}-${key}.volume`);
}

function nameOf({ volumes: all }: ComposeModel, key: string, project: string): string {
  return named(all[key]?.name ?? `${project}_${key}`);
}

/** Named as compose named it: the data is there. */
export function volumeUnit(key: string, model: ComposeModel, project: string): Piece[] {
  const { driver, driver_opts, labels, ...rest } = recordOf(model.volumes[key]);
  return [
    line('Volume', 'VolumeName', nameOf(model, key, project)),
    ...(isGiven(driver) && driver !== 'local' ? [podmanArg('driver', textOf(driver), 'Volume')] : []),
    ...pairs(driver_opts).map((pair) => podmanArg('opt', pair, 'Volume')),
    ...pairs(labels).map((pair) => line('Volume', 'Label', word(pair))),
    ...Object.keys(without(rest, ['name']))
      .filter((one) => isGiven(rest[one]))
      .map((one) => remark(`${one} of the volume has no counterpart`)),
  ];
}

export function pairs(record: unknown): string[] {
  return Object.entries(recordOf(record)).map(([key, value]) => `${key}=${textOf(value) ?? String(value)}`);
}

export const secrets = (_: unknown, { service, model }: Part): Piece[] =>
  service.secrets.flatMap((reference) => fileMounted('secret', '/run/secrets/', reference, model.secrets));

export const configs = (_: unknown, { service, model }: Part): Piece[] =>
  service.configs.flatMap((reference) => fileMounted('config', '/', reference, model.configs));

function fileMounted(
  what: string,
  folder: string,
  { source, target = source }: FileReference,
  definitions: ComposeModel['secrets'],
): Piece[] {
  const file = definitions[source]?.file;
  if (file === undefined) {
    return [
      remark(`${what} ${source} comes from no file: make one of it, or \`podman secret create\` and Secret=`),
    ];
  }
  const place = target.startsWith('/') ? target : folder + target;
  return bound(file, { type: 'bind', source: file, target: place, read_only: true });
}
