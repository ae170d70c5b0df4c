import { splitKey } from '../model/facts.js';
import type { Findings, Remark, Replacement } from '../model/plan.js';
import type { Observation } from '../model/project.js';
import { anonymousVolume, summarise } from './changes.js';
import { madeAnew, type Decisions } from './decision.js';
import { canReadModelOf, hasDrifted, isSameDefinition } from './definitions.js';
import { compareExternalNetworks, compareVolume, describeChange } from './facts.js';
import type { FileChanges } from './files.js';
import { impossibleFacts } from './override.js';
import { findReplacements } from './replacement.js';
import type { Target } from './target.js';
import { listReplacements } from './text.js';

/** What recorded facts, and files that are left alone, mean for a plan. */

/** Services that are made otherwise than their files say, or were: the next plain `up` makes them anew. */
export function definitionRisks(
  observation: Observation,
  target: Target,
  findings: Findings,
  files: FileChanges,
  decisions: Decisions,
): Remark[] {
  const { point } = target;
  const risks = madeAnew(decisions).flatMap((service): Remark[] => {
    const decision = decisions.get(service);
    if (decision?.action === 'up' && decision.from === 'facts') {
      return [
        {
          code: 'files-differ',
          message: `${service} is made as it ran; the next docker compose up replaces it, because its files say otherwise${listReplacements(recordedReplacements(target, service, observation.project.directory))}`,
          hint: 'edit the files to keep it as it is',
        },
      ];
    }
    if (hasDrifted(point, service)) {
      const message = `${service} ran with other settings at the point than its files give; it starts as the files say`;
      return [{ code: 'drifted', message, hint: null }];
    }
    const otherwise = findings.otherwiseDefined[service];
    if (!otherwise) return [];
    return [
      {
        code: 'files-differ',
        message: `${service} is made as the files said at the point; the next docker compose up replaces it, because they say otherwise here today${listReplacements(otherwise)}`,
        hint: 'compare the variables of your shell and your home directory with those of the point',
      },
    ];
  });
  const outside = outsideChanges(observation, target, files, decisions);
  if (!outside || !observation.provider.readsModels) return risks;
  const { services, cause } = outside;
  const made = `${services.join(', ')} ${services.length > 1 ? 'are' : 'is'} made as recorded`;
  return [
    ...risks,
    {
      code: 'files-differ',
      message: `${made}; the next docker compose up makes it otherwise, because ${cause}`,
      hint: 'add --outside to restore it too',
    },
  ];
}

/** Networks of others are left as they are: whoever made them may have changed them on purpose. */
export function externalNetworkRisks({ facts: present }: Observation, { facts: recorded }: Target): Remark[] {
  if (!recorded) return [];
  return compareExternalNetworks(recorded, present).differences.map((difference) => ({
    code: 'network-differs',
    message: `network ${difference.name} is not made by this project and stays as it is: ${describeChange(difference)}`,
    hint: null,
  }));
}

/** The settings in which the files of the point differ from its container. */
function recordedReplacements(
  { facts, model, point }: Target,
  service: string,
  directory: string,
): Replacement[] {
  const own = facts?.services[service]?.at(-1);
  if (!own || !model) return [];
  const files = { model, project: point.project.name, directory };
  return findReplacements(service, own, point.images[service]?.ref, files);
}

/** Recorded networks and volumes that are gone: no new container can get them. */
export function lostRisks({ facts }: Target, findings: Findings, decisions: Decisions): Remark[] {
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
      const message = `what ${service} had in ${name} does not come back: its volume there had no name`;
      return [
        { code: 'anonymous-gone', message, hint: 'give it one in the compose file to keep what is in it' },
      ];
    });
  });
}

/** A definition made of facts needs a provider that takes it, and facts that it can express. */
export function overrideBlockers(
  { provider }: Observation,
  target: Target,
  findings: Findings,
  decisions: Decisions,
): Remark[] {
  return [...decisions].flatMap(([service, decision]): Remark[] => {
    if (decision.action !== 'up' || decision.from !== 'facts') return [];
    const ran = `${service} ran otherwise than its files say`;
    if (!provider.readsModels || !canReadModelOf(target.point.metadata.provider, provider.version)) {
      const message = `${ran}, and ${provider.name} ${provider.version} cannot make it from anything but files`;
      return [{ code: 'cannot-make', message, hint: 'edit the files as it ran, or use docker compose' }];
    }
    if (findings.otherContents.includes(service)) {
      const message = `${ran}, with contents of configs or secrets that the point does not have`;
      return [{ code: 'cannot-make', message, hint: 'edit the files as it ran, then try again' }];
    }
    const impossible = impossibleFacts(target.facts?.services[service]?.at(-1) ?? {});
    if (impossible.length === 0) return [];
    const message = `${ran}, and nothing but files can give it its ${impossible.join(', ')}`;
    return [{ code: 'cannot-make', message, hint: 'edit the files as it ran, then try again' }];
  });
}

/** A volume is never made anew silently: its data would be gone. */
export function volumeSettingsBlockers(
  { facts: present }: Observation,
  { facts: recorded }: Target,
): Remark[] {
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
export function outsideBlockers(
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
