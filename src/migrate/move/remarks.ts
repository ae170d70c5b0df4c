import type { MoveKind } from '../../model/move.js';
import type { Remark } from '../../model/plan.js';
import type { Observation } from '../../model/project.js';
import { isUp } from '../../plan/services.js';
import { isTag, usualReplicas } from '../../plan/target.js';
import { bytes, plural } from '../../plan/text.js';
import {
  engineName,
  imagesOf,
  imagesToCarry,
  isSameImage,
  runningServices,
  type MoveFacts,
  type VolumeFacts,
} from './facts.js';

const remark = (code: string, message: string, hint: string | null = null): Remark => ({
  code,
  message,
  hint,
});

export function risks(facts: MoveFacts): Remark[] {
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
    ...spaceRisks(facts),
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
    const there = target.images[ref];
    if (there && !isSameImage(source, source.images[image], target, there)) references.add(ref);
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

export function blockers(facts: MoveFacts): Remark[] {
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
    ...spaceBlockers(facts),
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

/** The data of all volumes lies there before anything stops, beside what is there already. */
function spaceBlockers({ target, data, volumes, storage }: MoveFacts): Remark[] {
  const needed = data ? sum(volumes.map((volume) => volume.bytes)) : 0;
  if (!storage || needed <= storage.free) return [];
  const there = engineName(target.engine);
  return [
    remark(
      'disk-full',
      `the data takes ${bytes(needed)}, and ${there} has ${bytes(storage.free)} free in ${storage.directory}`,
      `free ${bytes(needed - storage.free)} there`,
    ),
  ];
}

/** Images may share layers with each other and with what is there: how much less that is nobody tells beforehand. */
function spaceRisks(facts: MoveFacts): Remark[] {
  const { source, target, data, volumes, storage } = facts;
  const images = new Set(imagesToCarry(facts).map(({ image }) => image));
  const most =
    sum([...images].map((image) => source.images[image]?.sizeBytes ?? 0)) +
    (data ? sum(volumes.map((volume) => volume.bytes)) : 0);
  if (!storage || most <= storage.free || spaceBlockers(facts).length > 0) return [];
  return [
    remark(
      'disk-tight',
      `images and data take up to ${bytes(most)}, and ${engineName(target.engine)} has ${bytes(storage.free)} free in ${storage.directory}`,
      'images that share layers take less',
    ),
  ];
}

const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);

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
  const { source } = facts;
  const lost = Object.values(source.services).filter(({ containers }) =>
    containers.some(({ imageId }) => !source.images[imageId]),
  );
  return [
    ...lost.map(({ name }) =>
      remark(
        'image-missing',
        `${engineName(source.engine)} no longer has the image that ${name} runs, so it cannot be carried over`,
        `make it again from an image that is there: docker compose up -d --force-recreate ${name}`,
      ),
    ),
    ...[...new Set(imagesOf(facts).map(({ ref }) => ref))]
      .filter((reference) => !isTag(reference) && !facts.target.images[reference])
      .map((reference) =>
        remark(
          'image-by-digest',
          `${reference} is named by its digest, which goes over with no archive`,
          'pull it there first',
        ),
      ),
  ];
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
