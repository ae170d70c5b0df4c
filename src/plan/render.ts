import type { Operation, Plan, Remark } from '../model/plan.js';
import { equalPart, notCoveredLines } from './coverage.js';
import { shortId } from './target.js';
import { aged, bytes, plural } from './text.js';

/** One operation in one line, without its cause: for progress and for plans. */
export function describe(operation: Operation): string {
  switch (operation.kind) {
    case 'prepare':
      return `Prepare ${operation.service} (${operation.handler})`;
    case 'hook':
      return `Run hook ${operation.phase} rollback of ${operation.service}: ${operation.what}`;
    case 'checkout':
      return `Stash changes and check out ${operation.branch ?? ''} ${operation.commit.slice(0, 8)}`.replace(
        '  ',
        ' ',
      );
    case 'load-image':
      return `Load image ${shortId(operation.image)} of ${operation.ref} (${bytes(operation.bytes)})`;
    case 'pull-image':
      return `Pull ${operation.digest}`;
    case 'stage-volume':
      return `Unpack the data of ${operation.volume} beside it (${bytes(operation.bytes)})`;
    case 'archive-volume':
      return `Archive the data of ${operation.volume}`;
    case 'restore-volume':
      return `Restore the data of ${operation.volume}`;
    case 'keep-volume':
      return `Archive the replaced data of ${operation.volume}`;
    case 'stop':
      return `Stop ${operation.services.join(', ')}`;
    case 'remove':
      return `Remove containers of ${operation.services.join(', ')}`;
    case 'restore-file':
      return `Restore ${operation.path}${operation.in_place ? ' (in place)' : ''}`;
    case 'restore-link':
      return `Restore link ${operation.path}`;
    case 'restore-directory':
      return `Restore directory ${operation.path}`;
    case 'remove-file':
      return `Remove ${operation.path}`;
    case 'retag':
      return `Tag ${shortId(operation.image)} as ${operation.ref}`;
    case 'up':
      return `${operation.start ? 'Start' : 'Create, without starting,'} ${operation.services.map((service) => withScale(service, operation.scale)).join(', ')}${operation.from === 'facts' ? ' as recorded, not as its files say' : ''}`;
    case 'disconnect':
      return `Disconnect ${[...operation.services, ...operation.containers].join(', ')} from network ${operation.network}`;
    case 'remove-network':
      return `Remove network ${operation.network}`;
    case 'connect':
      return `Connect ${operation.service ?? operation.container ?? ''} to network ${operation.network}`;
    case 'start':
      return `Start the same containers of ${operation.services.join(', ')}`;
    case 'reload':
      return `Reload ${operation.service} (${operation.handler}), without a restart`;
    case 'settle':
      return `Let ${operation.service} settle (${operation.handler})`;
    case 'verify':
      return `Verify ${operation.service} (${operation.handler})`;
  }
}

function withScale(service: string, scale: Record<string, number>): string {
  const count = scale[service];
  return count === undefined ? service : `${service} (${plural(count, 'container')})`;
}

/** Operations of one kind in a row that read better as one numbered step with a list. */
const GROUPS: { kinds: Operation['kind'][]; title: (count: number) => string }[] = [
  {
    kinds: ['restore-file', 'restore-link', 'restore-directory', 'remove-file'],
    title: (count) => `Restore ${plural(count, 'configuration file')}`,
  },
  { kinds: ['load-image', 'pull-image', 'retag'], title: () => 'Restore Docker images' },
];

/** The plan as a person reads it; ends without a newline. `now` is UTC, for the age of the point. */
export function renderPlan(plan: Plan, now: string): string {
  const { target } = plan;
  const lines = [
    `Rollback plan: ${target.description || target.id} (${target.id}, ${aged(target.timestamp, now, 'old')})`,
  ];
  if (plan.operations.length > 0) {
    lines.push('  1. Record the present as a safety point: so that this can be undone');
    lines.push(...steps(plan.operations).flatMap((step, index) => renderStep(step, index + 2)));
  } else if (plan.blockers.length > 0 || equalPart(plan) === 'what can be brought back is') {
    lines.push('  Nothing that could be done');
  } else lines.push(`  Nothing to do: ${equalPart(plan)} as it was at the point${equalFacts(plan)}`);
  if (plan.unchanged.length > 0) lines.push(`Untouched: ${plan.unchanged.join(', ')}`);
  if (plan.not_covered.length > 0) {
    lines.push('Not covered by the point, and left as it is today:');
    lines.push(...notCoveredLines(plan.not_covered).map((line) => `  - ${line}`));
  }
  lines.push(...renderRemarks('Risks', plan.risks), ...renderRemarks('Blocked', plan.blockers));
  return lines.join('\n');
}

const equalFacts = ({ equal }: Plan): string =>
  equal === undefined ? '' : ` (${plural(equal, 'fact')} equal)`;

export function renderRemarks(title: string, remarks: Remark[]): string[] {
  if (remarks.length === 0) return [];
  return [
    `${title}:`,
    ...remarks.flatMap(({ message, hint }) => [`  - ${message}`, ...(hint ? [`    ${hint}`] : [])]),
  ];
}

interface Step {
  title: string;
  operations: Operation[];
}

function steps(operations: Operation[]): Step[] {
  const result: { group: (typeof GROUPS)[number] | undefined; operations: Operation[] }[] = [];
  for (const operation of operations) {
    const group = GROUPS.find((candidate) => candidate.kinds.includes(operation.kind));
    const last = result.at(-1);
    if (group && last?.group === group) last.operations.push(operation);
    else result.push({ group, operations: [operation] });
  }
  return result.map(({ group, operations: members }) => ({
    title: group ? `${group.title(members.length)}:` : '',
    operations: members,
  }));
}

function renderStep(step: Step, number: number): string[] {
  const head = `  ${String(number)}. `;
  if (!step.title)
    return step.operations.map((operation) => `${head}${describe(operation)}: ${operation.cause}`);
  return [
    head + step.title,
    ...step.operations.map((operation) => `     - ${describe(operation)}: ${operation.cause}`),
  ];
}
