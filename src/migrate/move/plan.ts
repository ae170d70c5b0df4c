import type { Container, EngineIdentity } from '../../model/engine.js';
import { MOVE_FORMAT, type MoveKind, type MoveOperation, type MovePlan } from '../../model/move.js';
import { ENGINE_NAMES } from '../../model/names.js';
import type { Findings, Remark } from '../../model/plan.js';
import type { Observation } from '../../model/project.js';
import { dependenciesOf, waves } from '../../plan/order.js';
import { isUp } from '../../plan/services.js';
import { isTag, shortId, usualReplicas, type Target } from '../../plan/target.js';
import { plural } from '../../plan/text.js';

/** Everything a plan of a move is made from. */
export interface MoveFacts {
  kind: MoveKind;
  source: Observation;
  target: Observation;
  volumes: VolumeFacts[];
  /** Mounts that could hold data and do not go over, with the reason. */
  left: { path: string; reason: string }[];
  /** Directories with data that both sides mount. */
  shared: string[];
  /** What stands in the way of starting the goal at the target. */
  obstacles: Remark[];
  /** Files of the project that become what they were at the goal. */
  files: string[];
  /** Directories of the machine that both sides share, and why the target's services would not see them as they are. */
  directories: { name: string; services: string[]; problem: string }[];
  /** What images of services that are only built are called there, by service. */
  names: Record<string, string>;
  /** Where the engines are reached; null for one that is there for this command alone. */
  hosts: { source: string | null; target: string | null };
  /** Containers at the target that an earlier move held. */
  held: MovePlan['held'];
  /** Whose files and images the target starts with; undefined for what runs at the source. */
  goal: Target | undefined;
  /** Does the data go over, or does the target start with its own? */
  data: boolean;
  /** The move that this one takes back. */
  undoes: string | null;
  /** Of the target, for what would be started there. */
  findings: Pick<Findings, 'takenPorts' | 'missingExternal'>;
}

export interface VolumeFacts {
  name: string;
  services: string[];
  /** There is one at the target. */
  existing: boolean;
  from: Access;
  to: Access;
  /** Containers of others, at either side, that run with it. */
  users: string[];
}

/** What reads or writes a volume; null when nothing can, and then why. */
export interface Access {
  driver: 'host' | 'api' | null;
  problem: string | null;
}

/** What it takes to move a project from one engine to another. Pure. */
export function planMove(facts: MoveFacts): MovePlan {
  const { kind, source, target } = facts;
  const order = startOrder(source);
  const volumes = (facts.data ? facts.volumes : []).flatMap(({ name, services, existing, from, to }) =>
    from.driver && to.driver ? [{ name, services, existing, from: from.driver, to: to.driver }] : [],
  );
  return {
    format: MOVE_FORMAT,
    kind,
    project: source.project.name,
    source: sideOf(source, facts.hosts.source),
    target: sideOf(target, facts.hosts.target),
    running: order.flat().flatMap((service) => upOf(source, service).map(({ id }) => ({ id, service }))),
    policies: policiesOf(source),
    held: facts.held,
    goal: facts.goal?.point.id ?? null,
    undoes: facts.undoes,
    volumes,
    operations: operations(facts, order, volumes),
    risks: risks(facts),
    blockers: blockers(facts),
  };
}

function sideOf({ engine, provider }: Observation, host: string | null): MovePlan['source'] {
  const { kind, id, version, rootless } = engine;
  return { kind, id, host, version, rootless, provider: provider.name };
}

const upOf = ({ services }: Observation, service: string): Container[] =>
  (services[service]?.containers ?? []).filter(isUp);

const runningServices = (observation: Observation): string[] =>
  Object.keys(observation.services).filter((service) => upOf(observation, service).length > 0);

/** Services that run, dependencies first. */
function startOrder(observation: Observation): string[][] {
  const { model } = observation;
  return waves(runningServices(observation), model ? dependenciesOf(model) : new Map());
}

export function engineName({ kind, rootless }: Pick<EngineIdentity, 'kind' | 'rootless'>): string {
  return `${rootless ? 'rootless ' : ''}${ENGINE_NAMES[kind]}`;
}

function operations(facts: MoveFacts, order: string[][], volumes: MovePlan['volumes']): MoveOperation[] {
  const { source, held, goal } = facts;
  const running = order.flat();
  return [
    ...(goal ? [] : imagesToCarry(facts)),
    ...volumes.map(({ name }) =>
      operation('carry-volume', { volume: name }, 'the services run on meanwhile'),
    ),
    ...holding(source),
    ...order.toReversed().map((services) => {
      const containers = services.flatMap((service) => upOf(source, service).map(({ id }) => id));
      return operation('stop-source', { services, containers }, 'its data must not change any more');
    }),
    ...volumes.map(({ name }) =>
      operation('sync-volume', { volume: name }, 'what changed since goes over, and both are compared'),
    ),
    ...(held.length > 0
      ? [operation('release-target', { containers: held.map(({ id }) => id) }, 'an earlier move took them')]
      : []),
    operation(
      'start-target',
      { services: toStart(running, goal) },
      `so far they ran on ${engineName(source.engine)}`,
    ),
    ...volumes
      .filter(({ existing, to }) => existing && to === 'host')
      .map(({ name }) => operation('keep-replaced', { volume: name }, 'so that it is not lost')),
  ];
}

/** What ran: at the source, or at the goal. */
function toStart(running: string[], goal: Target | undefined): string[] {
  if (!goal) return running.toSorted();
  const { containers } = goal.point;
  return Object.keys(containers).filter((service) => (containers[service]?.running ?? 0) > 0);
}

function operation<K extends MoveOperation['kind']>(
  kind: K,
  rest: Omit<Extract<MoveOperation, { kind: K }>, 'kind' | 'cause'>,
  cause: string,
) {
  return { kind, ...rest, cause };
}

/** What an engine that starts again would start, stopped or not. */
function policiesOf({ services, engine }: Observation): MovePlan['policies'] {
  if (!engine.changesRestart) return [];
  return Object.values(services).flatMap(({ containers }) =>
    containers.filter(({ restart }) => restart !== 'no').map(({ id, restart }) => ({ id, restart })),
  );
}

function holding(source: Observation) {
  const containers = policiesOf(source).map(({ id }) => id);
  if (containers.length === 0) return [];
  return [operation('hold-source', { containers }, 'the project must not run at both sides')];
}

/** Each image under each name, unless the target has the very same there. */
function imagesToCarry(facts: MoveFacts) {
  const { source, target } = facts;
  const carried = new Map<string, ReturnType<typeof operation<'carry-image'>>>();
  for (const { image, ref } of imagesOf(facts)) {
    const layers = source.images[image]?.diffIds.join();
    if (layers !== undefined && target.images[ref]?.diffIds.join() === layers) continue;
    const cause = `${engineName(target.engine)} does not have ${shortId(image)}`;
    carried.set(`${image} ${ref}`, operation('carry-image', { image, ref }, cause));
  }
  return [...carried.values()];
}

/** The images of all containers, with what they are called at the target. */
function imagesOf({ source, names }: MoveFacts): { image: string; ref: string }[] {
  return Object.values(source.services).flatMap(({ name, containers }) =>
    containers.map(({ imageId, imageRef }) => ({ image: imageId, ref: names[name] ?? imageRef })),
  );
}

const remark = (code: string, message: string, hint: string | null = null): Remark => ({
  code,
  message,
  hint,
});

function risks(facts: MoveFacts): Remark[] {
  const { source, target, volumes, directories, data, left, shared, goal, files } = facts;
  const there = engineName(target.engine);
  const slow = volumes.filter(({ from, to }) => from.driver === 'api' || to.driver === 'api');
  return [
    ...(files.length > 0
      ? [
          remark(
            'files-replaced',
            `${files.join(', ')} will be as in ${goal?.point.id}`,
            'the point that is made before keeps them',
          ),
        ]
      : []),
    ...(data ? [] : unmoved(facts)),
    ...left.map(({ path, reason }) =>
      remark(
        'data-left',
        `the data of ${path} does not go over: ${reason}`,
        'a volume with a name goes over',
      ),
    ),
    ...(shared.length > 0
      ? [
          remark(
            'data-shared',
            `both sides use the same ${shared.join(', ')}: what is written there is not taken back`,
          ),
        ]
      : []),
    ...(goal ? [] : movedTags(facts)),
    ...(data ? volumes : []).flatMap(({ name, existing }) =>
      existing
        ? remark(
            'data-replaced',
            `the data that ${name} has on ${there} is replaced`,
            'the safety point keeps it',
          )
        : [],
    ),
    ...directories.map(({ name, services, problem }) =>
      remark(
        'directory-owners',
        `${services.join(', ')} may not be able to use ${name} there: ${problem}`,
        'the data of a named volume goes over with its owners',
      ),
    ),
    ...(data && slow.length > 0
      ? [
          remark(
            'slow',
            `the data of ${slow.map(({ name }) => name).join(', ')} is copied through the engine: while nothing runs, and without extended attributes`,
          ),
        ]
      : []),
    ...(source.engine.changesRestart
      ? []
      : [
          remark(
            'restarts',
            `${engineName(source.engine)} keeps the restart policies of what is stopped: podman-restart.service, where it is enabled, starts it again at boot`,
            'compose-rollback migrate finalize removes the containers',
          ),
        ]),
  ];
}

/** Names that other projects there may go by. */
function movedTags(facts: MoveFacts): Remark[] {
  const { source, target } = facts;
  const references = new Set<string>();
  for (const { image, ref } of imagesOf(facts)) {
    const there = target.images[ref]?.diffIds.join();
    if (there !== undefined && there !== source.images[image]?.diffIds.join()) references.add(ref);
  }
  return [...references].map((reference) =>
    remark(
      'tag-moves',
      `${reference} is another image on ${engineName(target.engine)}; from now on it is the one that ran`,
    ),
  );
}

/** The data stays at both sides. */
function unmoved({ kind, target, volumes, undoes }: MoveFacts): Remark[] {
  const there = engineName(target.engine);
  const hint = undoes === null ? 'add --keep-data to carry it over' : carriesOver(kind);
  return volumes.flatMap(({ name, existing }) => {
    if (existing)
      return remark(
        'data-stays',
        `${name} is what it was on ${there}: what was written since stays behind`,
        hint,
      );
    return undoes === null
      ? remark('volume-missing', `${name} is not on ${there} and comes up empty`, hint)
      : [];
  });
}

const carriesOver = (kind: MoveKind) => `compose-rollback migrate ${kind} carries the data over`;

function blockers(facts: MoveFacts): Remark[] {
  const { kind, source, target, volumes, findings, goal, data, undoes, obstacles } = facts;
  const [here, there] = [engineName(source.engine), engineName(target.engine)];
  const runningThere = runningServices(target);
  return [
    ...(source.model || goal
      ? []
      : [
          remark(
            'model-invalid',
            `the compose files do not resolve: ${source.modelError ?? 'they define nothing'}`,
          ),
        ]),
    ...(runningServices(source).length === 0 && !goal
      ? [remark('not-running', `nothing of the project runs on ${here}`, 'start it there first')]
      : []),
    ...(runningThere.length > 0
      ? [remark('runs-there', `${runningThere.join(', ')} of it run on ${there} already`, 'stop that first')]
      : []),
    ...(data ? volumes.flatMap((volume) => volumeBlockers(volume, there)) : []),
    ...(undoes === null ? [] : volumes)
      .filter(({ existing }) => !existing)
      .map(({ name }) =>
        remark('data-gone', `the data of ${name} is not on ${there} any more`, carriesOver(kind)),
      ),
    ...(goal ? [] : [...serviceBlockers(source, target), ...imageBlockers(facts)]),
    ...portBlockers(source, findings),
    ...obstacles,
    ...findings.missingExternal
      .filter(({ what }) => what === 'network') // a volume is carried, whoever made it
      .map(({ name }) =>
        remark(
          'external-missing',
          `the external network ${name} is not on ${there}`,
          `${target.engine.kind} network create ${name}`,
        ),
      ),
  ];
}

function volumeBlockers({ name, from, to, users }: VolumeFacts, there: string): Remark[] {
  return [
    ...(from.driver === null
      ? [remark('data-unreadable', `the data of ${name} cannot be read: ${from.problem}`)]
      : []),
    ...(to.driver === null
      ? [remark('data-unwritable', `the data of ${name} cannot be written on ${there}: ${to.problem}`)]
      : []),
    ...(users.length > 0
      ? [remark('volume-in-use', `${users.join(', ')}, of others, run with ${name}`, 'stop them first')]
      : []),
  ];
}

/** What would not come up there as it runs here. */
function serviceBlockers(source: Observation, { provider }: Observation): Remark[] {
  const { model, services } = source;
  if (!model) return [];
  return Object.values(services).flatMap(({ name, containers }) => {
    if (!model.services[name]) {
      if (!containers.some(isUp)) return [];
      const hint = 'stop it, or have the files define it; is a --profile missing?';
      return remark('not-defined', `${name} runs, and the compose files do not define it`, hint);
    }
    const count = containers.length;
    if (provider.replaces || count === 0 || count === usualReplicas(source, name)) return [];
    return remark(
      'replicas',
      `${name} has ${plural(count, 'container')}, and ${provider.name} makes as many as the files say`,
      'set deploy.replicas in the compose file',
    );
  });
}

function imageBlockers(facts: MoveFacts): Remark[] {
  return [...new Set(imagesOf(facts).map(({ ref }) => ref))]
    .filter((reference) => !isTag(reference) && !facts.target.images[reference])
    .map((reference) =>
      remark(
        'image-by-digest',
        `${reference} is named by its digest, which goes over with no archive`,
        'pull it there first',
      ),
    );
}

/** What the project itself holds now is free once it stops. */
function portBlockers(source: Observation, { takenPorts }: MoveFacts['findings']): Remark[] {
  const containers = Object.values(source.services).flatMap((service) => service.containers);
  const own = new Set(containers.flatMap(({ ports }) => ports.map(({ hostPort }) => hostPort)));
  return takenPorts
    .filter(({ port }) => !own.has(Number(/:(\d+)\//.exec(port)?.[1])))
    .map(({ service, port, holder }) =>
      remark('port-taken', `${service} publishes ${port}, which ${holder} holds`, 'stop that first'),
    );
}
