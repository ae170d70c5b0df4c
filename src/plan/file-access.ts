import type { Remark } from '../model/plan.js';
import type { Configuration, ConfigEntry, FileAccess, Observation, Owner } from '../model/project.js';
import type { FileOperation } from './files.js';
import type { Target } from './target.js';

/** What stops a plan from writing files, and what becomes of files of other users. */

const OTHERS_READ = 0o4;
const OTHERS_ENTER = 0o5;

/** May this user make files of that owner? */
export function mayOwn({ user }: FileAccess, { uid, gid }: Owner): boolean {
  return user === null || (user.uid === uid && user.groups.includes(gid));
}

/** Everything that this user could not write, known before anything stops. */
export function accessBlockers(
  { entries, outside, access }: Configuration,
  operations: FileOperation[],
): Remark[] {
  const now = new Map([...entries, ...outside].map((entry) => [entry.path, entry]));
  const opened = new Set(
    operations.flatMap(({ kind, path }) => (kind === 'restore-directory' ? [path] : [])),
  );
  return operations.flatMap((operation): Remark[] => {
    const reason = obstacle(operation, now.get(operation.path), access, opened);
    if (reason === undefined) return [];
    const verb = operation.kind === 'remove-file' ? 'removed' : 'restored';
    return [
      {
        code: 'not-writable',
        message: `${operation.path} cannot be ${verb}: ${reason}`,
        hint: 'change that, or run this as a user who may write there',
      },
    ];
  });
}

function obstacle(
  operation: FileOperation,
  current: ConfigEntry | undefined,
  access: FileAccess,
  opened: ReadonlySet<string>,
): string | undefined {
  const { kind, path } = operation;
  if (kind === 'restore-directory' && current?.type === 'directory') {
    const isOurs = access.user === null || current.owner?.uid === access.user.uid;
    return isOurs ? undefined : `it belongs to user ${current.owner?.uid}, who alone may change its mode`;
  }
  if (kind !== 'restore-file' && access.mountPoints.includes(path)) return 'something is mounted there';
  // The mode of its directory is restored first.
  if (opened.has(path.slice(0, path.lastIndexOf('/')))) return undefined;
  return access.refused[path];
}

/** Recorded owners that this user cannot give files: a risk, or a blocker where a service could then not read one. */
export function ownerRemarks(
  observation: Observation,
  target: Target,
  operations: FileOperation[],
): { risks: Remark[]; blockers: Remark[] } {
  const { access, entries } = observation.configuration;
  const { user } = access;
  if (user === null) return { risks: [], blockers: [] };
  const now = new Map(entries.map((entry) => [entry.path, entry]));
  const written = new Set(operations.map(({ path }) => path));
  const others: string[] = [];
  const blockers: Remark[] = [];
  for (const entry of target.point.entries) {
    if ((entry.type !== 'file' && entry.type !== 'directory') || !entry.owner) continue;
    if (mayOwn(access, entry.owner)) continue;
    const current = now.get(entry.path);
    const isKept = current?.type === entry.type && (entry.type === 'directory' || !written.has(entry.path));
    const owner = isKept ? current.owner : { uid: user.uid, gid: user.groups[0] ?? -1 };
    if (!owner || (owner.uid === entry.owner.uid && owner.gid === entry.owner.gid)) continue;
    const [ids, mode] = [`${entry.owner.uid}:${entry.owner.gid}`, entry.mode.toString(8)];
    const becomes = `${entry.path} belonged to ${ids} (mode ${mode}), and would belong to ${owner.uid}:${owner.gid}`;
    const needed = entry.type === 'directory' ? OTHERS_ENTER : OTHERS_READ;
    const isOpen = (entry.mode & needed) === needed;
    const readers = servicesSeeing(observation, target, entry.path);
    // Root reads everything, in a container too.
    const isReadable = isOpen || entry.owner.uid === 0 || readers.length === 0;
    if (isReadable) others.push(`${entry.path} (${ids})`);
    else {
      const message = `${becomes}: ${readers.join(', ')} might not read it`;
      blockers.push({ code: 'owner-unreadable', message, hint: 'run this as root' });
    }
  }
  const message = `only root could give these back to their owners: ${others.join(', ')}`;
  return { risks: others.length > 0 ? [{ code: 'owner-differs', message, hint: null }] : [], blockers };
}

/** Services that get this path from the project into their containers, at the point or now. */
function servicesSeeing({ project, services }: Observation, { model }: Target, path: string): string[] {
  const place = `${project.directory}/${path}`;
  const holds = (source: string | undefined) =>
    source !== undefined && (source === place || place.startsWith(`${source}/`));
  const mounted = Object.values(services)
    .filter(({ containers }) => containers.some(({ mounts }) => mounts.some(({ source }) => holds(source))))
    .map(({ name }) => name);
  const files = [...Object.entries(model?.secrets ?? {}), ...Object.entries(model?.configs ?? {})];
  const given = new Set(files.filter(([, { file }]) => holds(file)).map(([name]) => name));
  const defined = Object.entries(model?.services ?? {})
    .filter(
      ([, { volumes, secrets, configs }]) =>
        volumes.some(({ type, source }) => type === 'bind' && holds(source)) ||
        [...secrets, ...configs].some(({ source }) => given.has(source ?? '')),
    )
    .map(([name]) => name);
  return [...new Set([...mounted, ...defined])].toSorted();
}
