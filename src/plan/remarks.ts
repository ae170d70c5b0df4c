import { splitKey } from '../model/facts.js';
import type { Findings, PlanOptions, Remark } from '../model/plan.js';
import type { Observation } from '../model/project.js';
import { GONE, type FileChanges } from './files.js';
import { imageBlockers, sharedTags } from './images.js';
import { goesFirst, tiedTo } from './followers.js';
import { recordsContainers } from './services.js';
import type { Decision, Decisions } from './decision.js';
import { anonymousVolume, summarise } from './changes.js';
import { hasDrifted, isSameDefinition } from './definitions.js';
import { compareVolume } from './facts.js';
import { networkBlockers, networkChanges, networkRisks } from './networks.js';
import { impossibleFacts } from './override.js';
import { ageOf } from './text.js';
import { volumeBlockers, volumeRisks, type VolumeDecision } from './volumes.js';
import { shortId, usualReplicas, variableDifferences, type Target } from './target.js';

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
    ...overrideBlockers(observation, target, decisions),
    ...volumeSettingsBlockers(observation, target),
  );
  if (!returning) result.push(...outsideBlockers(observation, target, files, decisions));
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
  const age = ageOf(point.timestamp, options.now);
  const result: Remark[] = [];
  const remark = (code: string, message: string, hint: string | null = null) =>
    result.push({ code, message, hint });

  const replaced = files.operations.filter((file) => file.kind === 'remove-file' || file.cause !== GONE);
  if (replaced.length > 0) {
    const what = replaced.length === 1 ? replaced[0]?.path : `${replaced.length} configuration files`;
    remark(
      'files-replaced',
      `changes to ${what} made since the point (${age} old) are replaced`,
      'the safety point keeps them: undo brings them back',
    );
  }
  if (files.unsteady.length > 0 && (files.operations.length > 0 || madeAnew(decisions).length > 0)) {
    remark('unsteady', `written by services all the time, and left alone: ${files.unsteady.join(', ')}`);
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
  for (const service of madeAnew(decisions)) {
    const { from } = madeDecision(decisions, service);
    if (from === 'facts') {
      remark(
        'files-differ',
        `${service} is made as it ran; the next docker compose up replaces it, because its files say otherwise`,
        `edit the files to keep it: compose-rollback show ${point.id} tells what ran`,
      );
    } else if (hasDrifted(point, service)) {
      remark(
        'drifted',
        `${service} ran with other settings at the point than its files give; it starts as the files say`,
      );
    } else if (findings.otherwiseDefined.includes(service)) {
      remark(
        'files-differ',
        `${service} is made as the files said at the point; the next docker compose up replaces it, because they say otherwise here today`,
      );
    }
  }
  const outside = outsideChanges(observation, target, files, decisions);
  if (outside && observation.provider.readsModels) {
    const services = outside.services.join(', ');
    const made = `${services} ${outside.services.length > 1 ? 'are' : 'is'} made as recorded`;
    remark(
      'files-differ',
      `${made}; the next docker compose up makes it otherwise, because ${outside.cause}`,
      'add --outside to restore it too',
    );
  }
  result.push(
    ...networkRisks(networkChanges(observation, target)),
    ...lostRisks(target, findings, decisions),
  );
  if (!recordsContainers(point)) {
    remark('no-containers', 'the point recorded files only: containers are left alone');
  }
  if (point.metadata.engine.id !== observation.engine.id) {
    remark('other-engine', 'the point was made on another engine');
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

/** What the point's facts name and the engine no longer has. */
function lostRisks({ facts }: Target, findings: Findings, decisions: Decisions): Remark[] {
  return madeAnew(decisions).flatMap((service) => {
    const own = Object.entries(facts?.services[service]?.at(-1) ?? {});
    return own.flatMap(([key, { value }]): Remark[] => {
      const [kind, name = ''] = splitKey(key);
      const volume = anonymousVolume(value);
      if (kind === 'network' && findings.lostNetworks.includes(name)) {
        const message = `${service} was connected to network ${name} by hand, which is gone`;
        return [{ code: 'network-gone', message, hint: null }];
      }
      if (volume === undefined || !findings.lostVolumes.includes(volume)) return [];
      const message = `what ${service} had in ${name} is gone: its volume there had no name`;
      return [
        { code: 'anonymous-gone', message, hint: 'give it one in the compose file to keep what is in it' },
      ];
    });
  });
}

/** A definition made of facts needs a provider that takes it, and facts that it can express. */
function overrideBlockers({ provider }: Observation, target: Target, decisions: Decisions): Remark[] {
  return [...decisions].flatMap(([service, decision]): Remark[] => {
    if (decision.action !== 'up' || decision.from !== 'facts') return [];
    const ran = `${service} ran otherwise than its files say`;
    if (!provider.readsModels) {
      const message = `${ran}, and ${provider.name} makes services from files only`;
      return [{ code: 'cannot-make', message, hint: 'edit the files as it ran, or use docker compose' }];
    }
    const impossible = impossibleFacts(target.facts?.services[service]?.at(-1) ?? {});
    if (impossible.length === 0) return [];
    const message = `${ran}, and nothing but files can give it its ${impossible.join(', ')}`;
    return [{ code: 'cannot-make', message, hint: 'edit the files as it ran, then try again' }];
  });
}

/** A volume is never made anew silently: its data would be gone. */
function volumeSettingsBlockers({ facts: present }: Observation, { facts: recorded }: Target): Remark[] {
  if (!recorded) return [];
  return Object.keys(recorded.volumes).flatMap((volume): Remark[] => {
    const { differences } = compareVolume(recorded, present, volume);
    const grave = differences.filter(({ key }) => splitKey(key)[0] !== 'label');
    if (grave.length === 0) return [];
    return [
      {
        code: 'volume-differs',
        message: `volume ${volume} has another ${summarise(grave)} than at the point, and making it anew would lose its data`,
        hint: 'copy its data away and remove the volume, then try again',
      },
    ];
  });
}

/** The image that a container of the service runs and that no safety point can keep. */
function lostImage({ services, images }: Observation, service: string): string | undefined {
  return services[service]?.containers.find(({ imageId }) => !images[imageId])?.imageId;
}

function madeDecision(decisions: Decisions, service: string): { from?: 'facts' } {
  const decision = decisions.get(service);
  return decision?.action === 'up' ? decision : {};
}

function madeAnew(decisions: Decisions): string[] {
  return [...decisions].filter(([, decision]) => decision.action === 'up').map(([service]) => service);
}

/** Services that the files as they are left would make otherwise than they were: known before anything stops. */
function outsideChanges(
  observation: Observation,
  { point, model }: Target,
  { left, operations }: FileChanges,
  decisions: Decisions,
): { services: string[]; cause: string } | undefined {
  const { files, env_files: envFiles } = point.project;
  const inputs = new Set(['.env', ...files, ...envFiles]);
  // A file that services only mount does not change how they are made.
  const first = point.outside.find(
    (entry) =>
      left.includes(entry.path) &&
      (operations.length === 0 || inputs.has((entry.type === 'file' && entry.via) || entry.path)),
  );
  if (!first || !observation.model) return undefined;
  const [now, then] = [observation.model.services, model?.services ?? {}];
  const concerned = [...decisions].filter(([, { action }]) => action === 'up' || action === 'cannot');
  const changed = concerned
    .map(([service]) => service)
    .filter((service) => !isSameDefinition(now[service], then[service]));
  if (changed.length === 0) return undefined;
  const via = first.type === 'file' && first.via ? ` (${first.via} leads there)` : '';
  return { services: changed, cause: `${first.path}${via} differs and is left alone` };
}

/** Without a provider that takes the recorded model, only the files can make a service what it was. */
function outsideBlockers(
  observation: Observation,
  target: Target,
  files: FileChanges,
  decisions: Decisions,
): Remark[] {
  const changes = outsideChanges(observation, target, files, decisions);
  if (!changes || observation.provider.readsModels) return [];
  return [
    {
      code: 'outside-needed',
      message: `${changes.services.join(', ')} cannot be made as at the point: ${changes.cause}`,
      hint: 'add --outside to restore it too',
    },
  ];
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
