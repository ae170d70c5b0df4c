import { RollbackError } from '../../model/errors.js';
import type { Container } from '../../model/engine.js';
import type { MovePlan } from '../../model/move.js';
import { isUp } from '../../plan/services.js';
import { createPoint } from '../../points/create.js';
import { allOwn, readContainers } from '../../project/containers.js';
import type { Workspace } from '../../session/workspace.js';
import { engineName } from './facts.js';
import type { Sides } from '../../runs/access-both.js';

export interface FinalizeRequest {
  /** Remove the data there too; a point keeps it. */
  volumes?: boolean | undefined;
  /** Only tell what would go. */
  dryRun?: boolean | undefined;
  /** Asked once with what would go; absent means yes. */
  confirm?: ((left: Leftovers) => Promise<boolean>) | undefined;
}

/** What a project that was moved has left behind. */
export interface Leftovers {
  /** `Docker`, `rootless Podman`. */
  engine: string;
  containers: string[];
  networks: string[];
  /** Named here whether they are to go or not. */
  volumes: string[];
}

export interface FinalizeReport extends Leftovers {
  result: 'planned' | 'done' | 'nothing-to-do';
  /** The point that keeps the data that went. */
  point: string | null;
}

const PROJECT_LABEL = 'com.docker.compose.project';

/**
 * Removes what a moved project left at the engine where it was (`source`), once it runs where it went. Throws `blocked` unless it does, `declined`. The
 * data goes only when asked for, and into a point first.
 */
export async function finalize(
  { source, target }: Sides,
  { operations }: MovePlan,
  { volumes = false, dryRun = false, confirm }: FinalizeRequest,
): Promise<FinalizeReport> {
  const services = operations.flatMap((one) => (one.kind === 'start-target' ? one.services : []));
  await assertMoved({ source, target }, services);
  const containers = await ownContainers(source);
  const networks = await labelled(source, 'network');
  const data = await labelled(source, 'volume');
  const left = {
    engine: engineName(source.identity),
    containers: containers.map(({ name }) => name),
    networks,
    volumes: data,
  };
  if (containers.length + networks.length + (volumes ? data.length : 0) === 0)
    return { ...left, result: 'nothing-to-do', point: null };
  if (dryRun) return { ...left, result: 'planned', point: null };
  if (confirm && !(await confirm(left))) throw new RollbackError('declined', 'declined; nothing was removed');
  if (confirm) await assertMoved({ source, target }, services);
  const point = volumes && data.length > 0 ? await keepData(source, data) : null;
  for (const { id } of containers) await source.engine.remove(id);
  for (const network of networks) await source.engine.removeNetwork(network);
  for (const volume of volumes ? data : []) await source.engine.removeVolume(volume);
  return { ...left, result: 'done', point };
}

/** Throws `blocked` where another project has the same name: it has the same networks and volumes, too. */
async function ownContainers({ engine, project, identity }: Workspace): Promise<Container[]> {
  const found = await readContainers(engine, project);
  const namesakes = found.strangers.filter(({ standing }) => standing === 'namesake');
  if (namesakes.length === 0) return allOwn(found);
  const names = namesakes.map(({ container }) => container.name).join(', ');
  throw blocked(
    `${names} on ${engineName(identity)} are of another project that is called ${project.name} too`,
    'remove what is left of this one by hand',
  );
}

/** A point with all of this data. Throws `failed` unless it has all of it. */
async function keepData(source: Workspace, data: string[]): Promise<string> {
  const description = `What ${engineName(source.identity)} had when the move was finalized`;
  const point = await createPoint(source, { description, includeVolumes: true, pin: true });
  const lost = data.filter((volume) => !point.volumes.includes(volume));
  if (lost.length === 0) return point.id;
  throw new RollbackError('failed', `the data of ${lost.join(', ')} cannot be kept; nothing was removed`, {
    details: point.warnings,
    hint: 'remove those volumes yourself, or leave --volumes out',
  });
}

async function labelled({ engine, project }: Workspace, kind: 'network' | 'volume'): Promise<string[]> {
  const all = await engine.labelled(PROJECT_LABEL);
  return all.filter((one) => one.kind === kind && one.value === project.name).map(({ id }) => id);
}

async function assertMoved({ source, target }: Sides, services: string[]): Promise<void> {
  const [here, { replicas: there }] = await Promise.all([
    ownContainers(source),
    readContainers(target.engine, target.project),
  ]);
  const runs = (all: Container[], service: string) =>
    all.some((container) => container.service === service && isUp(container));
  const [from, to] = [engineName(source.identity), engineName(target.identity)];
  const down = services.filter((service) => !runs(there, service));
  const up = here.filter(isUp).map(({ name }) => name);
  if (down.length > 0) throw blocked(`${down.join(', ')} do not run on ${to}`, 'start them, or move back');
  if (up.length > 0) throw blocked(`${up.join(', ')} still run on ${from}`, 'stop them there first');
}

function blocked(message: string, hint: string): RollbackError {
  return new RollbackError('blocked', `${message}; nothing was removed`, { hint });
}
