import { isSeenByCompose } from '../model/ownership.js';
import type { Findings, Remark } from '../model/plan.js';
import type { Observation } from '../model/project.js';
import type { Decisions } from './decision.js';

/** What compose would take for its own and is not, or would stumble over. */
export function strangerBlockers(
  { project, strangers, services }: Observation,
  { takenNames }: Pick<Findings, 'takenNames'>,
  decisions: Decisions,
): Remark[] {
  const anew = [...decisions].flatMap(([service, { action }]) => (action === 'up' ? service : []));
  const others = strangers.filter(({ standing }) => standing === 'namesake');
  const folders = [...new Set(others.flatMap(({ directory }) => directory ?? []))];
  const result: Remark[] = [];
  if (others.length > 0) {
    result.push({
      code: 'other-folder',
      message: `${namesOf(others)} ${others.length > 1 ? 'are' : 'is'} of another project that is called ${project.name} too and runs from ${folders.join(', ')}: compose would take ${others.length > 1 ? 'them' : 'it'} for its own`,
      hint: 'give one of the two a name of its own, with a top-level name: in its compose file, or take the other one down first',
    });
  }
  const copies = strangers.filter(
    ({ container, standing }) =>
      standing === 'copy' && isSeenByCompose(container) && anew.includes(container.service ?? ''),
  );
  for (const { container } of copies) {
    result.push({
      code: 'copy',
      message: `${container.name} was not made by compose and carries its labels from an image: compose would take it for a container of ${container.service}`,
      hint: `remove it first: docker rm -f ${container.name}`,
    });
  }
  const own = new Set(Object.values(services).flatMap(({ containers }) => containers.map(({ id }) => id)));
  for (const { service, name, holder, project: theirs } of takenNames) {
    if (!anew.includes(service) || own.has(holder)) continue;
    result.push({
      code: 'name-taken',
      message: `${service} needs the name ${name}, which another container${theirs === null ? '' : ` of project ${theirs}`} has`,
      hint: `rename or remove that one first: docker rename ${name} NEW_NAME`,
    });
  }
  return result;
}

const namesOf = (strangers: Observation['strangers']) =>
  strangers.map(({ container }) => container.name).join(', ');
