import type { Findings, PlanOptions, Remark } from '../model/plan.js';
import type { Observation } from '../model/project.js';
import { addressBlockers } from './addresses.js';
import { GONE, type FileChanges } from './files.js';
import { imageBlockers, sharedTags } from './images.js';
import { goesFirst, tiedTo } from './followers.js';
import { recordsContainers } from './services.js';
import { madeAnew, type Decision, type Decisions } from './decision.js';
import {
  definitionRisks,
  externalNetworkRisks,
  lostRisks,
  outsideBlockers,
  overrideBlockers,
  volumeSettingsBlockers,
} from './fact-remarks.js';
import { networkBlockers, networkChanges, networkRisks } from './networks.js';
import { aged, isInFuture, utc } from './text.js';
import { volumeBlockers, volumeRisks, type VolumeDecision } from './volumes.js';
import { isOtherKindOfEngine, shortId, usualReplicas, variableDifferences, type Target } from './target.js';

/** Everything that stands in the way, all at once. */
export function blockers(
  observation: Observation,
  target: Target,
  findings: Findings,
  files: FileChanges,
  decisions: Decisions,
  volumes: VolumeDecision[],
  returning: boolean,
): Remark[] {
  const anew = madeAnew(decisions);
  const starting = [...decisions]
    .filter(([, decision]) => decision.action === 'start' || (decision.action === 'up' && decision.start))
    .map(([service]) => service);
  const result: Remark[] = findings.damaged.map(({ path, problem }) => ({
    code: 'damaged',
    message: `the point's ${path}: ${problem}`,
    hint: `take another point, or bring the file back into the backup directory; compose-rollback verify ${target.point.id} shows all`,
  }));
  result.push(
    ...files.blockers,
    ...imageBlockers(observation, target, findings, decisions),
    ...volumeBlockers(volumes, observation.project.name, returning),
  );
  if (anew.length > 0 && (findings.modelError !== undefined || !target.model)) {
    const what = `so ${anew.join(', ')} cannot be made`;
    result.push({
      code: 'model-invalid',
      ...(target.stored
        ? {
            message: `the compose files of the point do not resolve, ${what}: ${findings.modelError ?? 'they did not when it was made'}`,
            hint: 'add --config-only to bring the files back alone',
          }
        : {
            message: `the compose files do not resolve, ${what}: ${observation.modelError ?? 'they define nothing'}`,
            hint: 'mend them, or bring them back with compose-rollback rollback',
          }),
    });
  }
  for (const { service, port, holder } of findings.takenPorts) {
    if (!starting.includes(service)) continue;
    result.push({
      code: 'port-taken',
      message: `${service} publishes ${port}, which ${holder} holds`,
      hint: 'stop that first',
    });
  }
  for (const { what, name } of anew.length > 0 ? findings.missingExternal : []) {
    result.push({
      code: 'external-missing',
      message: `the external ${what} ${name} does not exist`,
      hint: `try: docker ${what} create ${name}`,
    });
  }
  result.push(
    ...providerBlockers(observation, target, decisions),
    ...networkBlockers(networkChanges(observation, target), decisions),
    ...overrideBlockers(observation, target, findings, decisions),
    ...volumeSettingsBlockers(observation, target),
  );
  if (!returning) {
    result.push(
      ...addressBlockers(observation, target, findings, decisions),
      ...outsideBlockers(observation, target, files, decisions),
    );
  }
  if (findings.commitMissing) {
    result.push({
      code: 'commit-missing',
      message: `commit ${target.point.metadata.git_commit?.slice(0, 12)} of the point is not in this repository`,
      hint: 'fetch it, or leave --git away',
    });
  }
  if (findings.missingBytes > 0) {
    result.push({
      code: 'disk-full',
      message: `the backup directory lacks ${findings.missingBytes} bytes for the safety point`,
      hint: 'free some space, or delete old points with compose-rollback cleanup',
    });
  }
  return result;
}

/** What a person should know before saying yes. */
export function risks(
  observation: Observation,
  target: Target,
  findings: Findings,
  files: FileChanges,
  decisions: Decisions,
  volumes: VolumeDecision[],
  options: PlanOptions,
): Remark[] {
  const { point } = target;
  const age = aged(point.timestamp, options.now, 'old');
  const result: Remark[] = [];
  const remark = (code: string, message: string, hint: string | null = null) =>
    result.push({ code, message, hint });

  const replaced = files.operations.filter((file) => file.kind === 'remove-file' || file.cause !== GONE);
  if (replaced.length > 0) {
    const what = replaced.length === 1 ? replaced[0]?.path : `${replaced.length} configuration files`;
    remark(
      'files-replaced',
      `changes to ${what} made since the point (${age}) are replaced`,
      'the safety point keeps them: undo brings them back',
    );
  }
  if (files.unsteady.length > 0 && (files.operations.length > 0 || madeAnew(decisions).length > 0)) {
    remark('unsteady', `written by services all the time, and left alone: ${files.unsteady.join(', ')}`);
  }
  const acts = [...decisions.values()].some(({ action }) => action !== 'keep');
  if (isInFuture(point.timestamp, options.now) && (acts || files.operations.length + volumes.length > 0)) {
    remark(
      'clock',
      `the point is dated ${utc(point.timestamp)}, in the future: the clock is wrong, or was when the point was made`,
      'the order of points does not depend on it',
    );
  }
  for (const [service, decision] of decisions) {
    if (decision.action === 'remove') {
      remark(
        'service-removed',
        `${service} was not there at the point: its containers are removed, its volumes stay`,
      );
    }
    const lost = ['up', 'remove'].includes(decision.action) ? lostImage(observation, service) : undefined;
    if (lost !== undefined) {
      remark(
        'image-lost',
        `${service} runs image ${shortId(lost)}, which the engine no longer has: undo cannot make it again`,
      );
    }
    if (decision.action === 'cannot') remark('cannot-make', `${service} is left as it is: ${decision.cause}`);
    const left = decision.action === 'up' ? anonymousVolumes(observation, target, service, decision) : [];
    if (left.length > 0) {
      remark(
        'anonymous-volumes',
        `${service} starts with nothing in ${left.join(', ')}: its volume there has no name`,
        'give it one in the compose file to keep what is in it',
      );
    }
  }
  result.push(...volumeRisks(volumes, age));
  const exchanged = new Set(volumes.map(({ volume }) => volume));
  const why = (volume: string) =>
    point.volumes.includes(volume) ? 'that of the point is left alone' : 'the point has no volume data';
  for (const service of madeAnew(decisions)) {
    const named = (target.model?.services[service]?.volumes ?? []).flatMap(({ type, source }) =>
      type === 'volume' && source !== undefined && !exchanged.has(volumeName(target, source)) ? source : [],
    );
    const [first] = named;
    if (first !== undefined) {
      const reason = why(volumeName(target, first));
      remark('data-stays', `${service} starts with the data it has today (${named.join(', ')}): ${reason}`);
    }
  }
  for (const name of madeAnew(decisions).length > 0 ? findings.missingVolumes : []) {
    if (!exchanged.has(name))
      remark('volume-missing', `volume ${name} is gone and comes up empty: ${why(name)}`);
  }
  for (const path of madeAnew(decisions).length > 0 ? findings.missingBinds : []) {
    if (!exchanged.has(path))
      remark('directory-missing', `${path} is gone and comes up as an empty directory: ${why(path)}`);
  }
  const differing = variableDifferences(observation, target);
  if (differing.length > 0 && madeAnew(decisions).length > 0) {
    remark('variables-differ', `set as they were at the point, not as today: ${differing.join(', ')}`);
  }
  result.push(
    ...definitionRisks(observation, target, findings, files, decisions),
    ...networkRisks(networkChanges(observation, target)),
    ...externalNetworkRisks(observation, target),
    ...lostRisks(target, findings, decisions),
  );
  if (!recordsContainers(point)) {
    remark('no-containers', 'the point recorded files only: containers are left alone');
  }
  if (point.metadata.engine.id !== observation.engine.id) {
    const isUncompared = isOtherKindOfEngine(point, observation.engine.kind);
    const compared = isUncompared
      ? ': the plan compares settings of containers by the compose files alone'
      : '';
    remark('other-engine', `the point was made on another engine${compared}`);
  }
  if (point.project.directory !== observation.project.directory) {
    remark('moved', `the project was in ${point.project.directory} then`);
  }
  const chosen = options.services ?? (point.partial ? point.services : undefined);
  if (options.kind === 'rollback') {
    for (const service of point.failing.filter((name) => chosen?.includes(name) ?? true)) {
      const reason = point.containers[service]?.evidence?.reason;
      remark(
        'point-failing',
        `${service} was failing when the point was made${reason === undefined ? '' : `: ${reason}`}`,
        'compose-rollback list shows points that were not',
      );
    }
  }
  if (chosen) result.push(...sharedFiles(observation, files, chosen));
  return [...result, ...files.risks, ...sharedTags(target).filter(() => madeAnew(decisions).length > 0)];
}

/** The image that a container of the service runs and that no safety point can keep. */
function lostImage({ services, images }: Observation, service: string): string | undefined {
  return services[service]?.containers.find(({ imageId }) => !images[imageId])?.imageId;
}

/** What this provider, or this engine, could do only by half. */
function providerBlockers(observation: Observation, target: Target, decisions: Decisions): Remark[] {
  const { provider, services } = observation;
  return [...decisions].flatMap(([service, decision]): Remark[] => {
    const tied = Object.keys(services).filter(
      (other) =>
        goesFirst(observation, target, service, decision) &&
        !decisions.has(other) &&
        tiedTo(observation, other).includes(service),
    );
    const scaled =
      decision.action === 'up' && !provider.replaces && decision.replicas !== usualReplicas(target, service);
    return [
      ...tied.map((other) => ({
        code: 'tied',
        message: `${service} cannot go while ${other} is there: the engine ties them`,
        hint: `take both: --services ${service},${other}`,
      })),
      ...(scaled
        ? [
            {
              code: 'replicas',
              message: `${service} had ${decision.replicas} containers, and ${provider.name} makes as many as the files say`,
              hint: 'set deploy.replicas in the compose file',
            },
          ]
        : []),
    ];
  });
}

/** Where a container that goes before the next one is made leaves a volume behind that nothing names. */
function anonymousVolumes(
  observation: Observation,
  target: Target,
  service: string,
  decision: Decision,
): string[] {
  if (!goesFirst(observation, target, service, decision)) return [];
  const mounts = (observation.services[service]?.containers ?? []).flatMap((container) => container.mounts);
  const anonymous = mounts.filter(({ type, name }) => type === 'volume' && /^[0-9a-f]{64}$/.test(name ?? ''));
  return [...new Set(anonymous.map((mount) => mount.target))];
}

/** What the engine calls a volume of the compose files. */
function volumeName({ model, point }: Target, key: string): string {
  return model?.volumes[key]?.name ?? `${point.project.name}_${key}`;
}

/** Rolling some services back still restores files that others are defined by. */
function sharedFiles(observation: Observation, files: FileChanges, services: string[]): Remark[] {
  const others = Object.keys(observation.services)
    .filter((service) => !services.includes(service))
    .toSorted();
  if (files.operations.length === 0 || others.length === 0) return [];
  return [
    {
      code: 'shared-files',
      message: `the restored files also concern ${others.join(', ')}, which are left running as they are`,
      hint: 'leave --services out to roll the whole project back',
    },
  ];
}
