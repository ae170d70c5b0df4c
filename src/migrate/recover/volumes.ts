import { randomBytes } from 'node:crypto';
import { execIn } from '../../handlers/exec.js';
import type { Container } from '../../model/engine.js';
import { RollbackError } from '../../model/errors.js';
import type { Point, VolumeData } from '../../model/point.js';
import { plural } from '../../plan/text.js';
import { sortContainers } from '../../project/containers.js';
import { locateInside, resolveSafely } from '../../project/paths.js';
import { checkData, dataOf, makePlace } from '../../operations/data.js';
import { handlerContext } from '../../session/workspace.js';
import { makeDirectory } from '../validate/fix.js';
import { dataNameOf, newestWith, toFinding, type MountProblem } from '../diagnose/mounts.js';
import { askImage, ownershipOf, TARGET, type Ownership } from '../diagnose/ownership.js';
import type { Remedy, Step } from './recovery.js';
import { bringingUp, starting, stopping, type Scene } from './services.js';

/** Data that is gone comes back from a point; data that its service may not write to is given to it. Nothing else of it changes. */
export async function planVolumes(scene: Scene, problems: MountProblem[]): Promise<Remedy> {
  const { services } = scene.observation;
  const names = [...new Set(problems.map(({ service }) => service))];
  const there = names.filter((name) => services[name]?.containers.length);
  const remedies: Remedy[] = [];
  for (const problem of onePerSource(problems)) remedies.push(await planOne(scene, problem));
  return {
    obstacles: remedies.flatMap(({ obstacles }) => obstacles),
    steps: [
      ...stopping(scene, there),
      ...remedies.flatMap(({ steps }) => steps),
      ...starting(scene, there),
      ...bringingUp(
        scene,
        names.filter((name) => !there.includes(name)),
      ),
      ...problems.map((problem) => seeingItWrites(scene, problem)),
    ],
  };
}

function onePerSource(problems: MountProblem[]): MountProblem[] {
  return problems.filter(
    ({ source }, index) => problems.findIndex((other) => other.source === source) === index,
  );
}

async function planOne(scene: Scene, problem: MountProblem): Promise<Remedy> {
  const finding = toFinding(problem);
  const obstacle = (evidence: string, fix: string): Remedy => ({
    steps: [],
    obstacles: [{ ...finding, evidence: `${finding.evidence}; ${evidence}`, fix }],
  });
  const { workspace, observation } = scene;
  const { source, kind, ownership } = problem;
  const path = kind === 'bind' ? await locateInside(workspace.project.directory, source) : source;
  if (path === undefined) return obstacle('it is outside the project, where nothing is changed', finding.fix);
  if (ownership) {
    const container = observation.services[problem.service]?.containers[0];
    if (!container) return obstacle('its container is gone', 'look again');
    const other = await otherWriter(scene, problem);
    if (other !== undefined) {
      return obstacle(`${other} writes to it as another user`, 'let both run as one user, or share a group');
    }
    return { obstacles: [], steps: await giving(scene, container, source, ownership) };
  }
  const data = dataNameOf(workspace, problem);
  const point = await newestWith(workspace, data);
  if (!point) return obstacle('no point has its data', 'bring it back from a backup of your own');
  return {
    obstacles: [],
    steps: [
      {
        what: `bring ${source} back as it was at ${point.id} (${point.timestamp})`,
        act: async () => {
          if (kind === 'bind') await makeDirectory(await resolveSafely(workspace.project.directory, path));
          await bringBack(scene, point, dataOf(point, data.name));
        },
      },
    ],
  };
}

/** Who else has it, may write to it now, and may not any more when it is given away. */
async function otherWriter(
  { workspace }: Scene,
  { source, service }: MountProblem,
): Promise<string | undefined> {
  const { engine, project } = workspace;
  const containers = await engine.containers();
  const { replicas } = await sortContainers(project, containers);
  const own = new Set(replicas.flatMap((one) => (one.service === service ? one.id : [])));
  for (const container of containers) {
    const mounts = container.mounts.some(
      ({ name, source: path, readOnly }) => !readOnly && (name ?? path) === source,
    );
    if (!mounts || own.has(container.id)) continue;
    const ownership = await ownershipOf(workspace, container, source);
    if (ownership?.writable) return container.name;
  }
  return undefined;
}

/** More names are not told of what would be changed. */
const SHOWN = 5;
const LISTED = 10_000;

/** What is of the wrong owner becomes its user's, and the place itself writable for its owner. What is of others stays theirs. */
async function giving(
  { workspace }: Scene,
  container: Container,
  source: string,
  { uid, gid, owner, mode }: Ownership,
): Promise<Step[]> {
  const ask = (argv: string[], lines?: number) => askImage(workspace, container, source, argv, lines);
  const steps: Step[] = [];
  if (uid !== owner) {
    const wrong = ['find', TARGET, '-xdev', '-user', String(owner)];
    const paths = (await ask([...wrong, '-print'], LISTED))
      .split('\n')
      .map((path) => path.slice(TARGET.length + 1) || '.');
    const more = paths.length > SHOWN ? ', …' : '';
    steps.push({
      what: `give ${plural(paths.length, 'path')} of ${source} from ${owner} to ${uid}:${gid}: ${paths.slice(0, SHOWN).join(', ')}${more}`,
      act: async () => {
        await ask([...wrong, '-exec', 'chown', '-h', `${uid}:${gid}`, '{}', '+']);
      },
    });
  }
  if ((Number.parseInt(mode, 8) & 0o300) !== 0o300) {
    steps.push({
      what: `let the owner of ${source} write there: its mode is ${mode}`,
      act: async () => {
        await ask(['chmod', 'u+rwx', TARGET]);
      },
    });
  }
  return steps;
}

/** Staged beside its place and exchanged for what was made there, as a rollback does. */
async function bringBack({ workspace, observation }: Scene, point: Point, data: VolumeData): Promise<void> {
  const { store, signal } = workspace;
  await checkData(store, point, data);
  const { place, copier } = await makePlace(workspace, observation, data);
  const archive = await store.openStored(point, data);
  if (copier.driver === 'api') {
    await copier.copier.refill(place, archive, data.compression, signal);
    return;
  }
  const run = `run-${randomBytes(6).toString('hex')}`;
  await copier.copier.stage(place, run, archive, data.compression, signal);
  await copier.copier.swap(place, run);
  await copier.copier.discard(place, run, 'parked');
}

function seeingItWrites({ workspace, observation }: Scene, { service, target }: MountProblem): Step {
  return {
    what: `see that ${service} may write to ${target}`,
    act: async () => {
      const context = handlerContext(workspace, service, observation.model);
      const [container] = await context.containers();
      if (container?.state !== 'running') return; // Whether that is well was looked at before.
      const answer = await execIn(context, container, ['test', '-w', target]);
      if (answer.kind === 'ended' && answer.exitCode !== 0) {
        throw new RollbackError('failed', `${service} may still not write to ${target}`);
      }
    },
  };
}
