import type { Command } from 'commander';
import { plural, RollbackError, type DrillReport, type Verdict, type Verification } from '../../index.js';
import { DAMAGED } from '../exit-codes.js';
import { openProgress, openQuietProgress } from '../progress/progress.js';
import type { Session } from '../session.js';
import { indented, printable } from '../text.js';

interface Options {
  all?: true;
  drill?: true;
}

export function define(command: Command, session: () => Session): void {
  command
    .argument('[point]', 'id, unique prefix of one, name, latest, latest~1')
    .option('--all', 'all points, safety points included; so without a point')
    .option(
      '--drill',
      'also restore it beside the project, check its services, and take it away; latest without a point',
    )
    .addHelpText('after', '\nEnds with 1 when something is damaged, or fails in the drill.')
    .action((point: string | undefined, options: Options) => verify(session(), point, options));
}

async function verify(session: Session, point: string | undefined, { all, drill }: Options): Promise<void> {
  const { output } = session;
  if ((point !== undefined || drill) && all) {
    const other = drill ? '--drill' : 'a point';
    throw new RollbackError('usage', `${other} and --all were given; only one of them can be meant`, {
      hint: 'leave one of them out',
    });
  }
  const points = await session.manager().verify(point ?? (drill ? 'latest' : undefined));
  const damaged = points.filter(({ sound }) => !sound);
  if (damaged.length > 0) session.exitCode = DAMAGED;
  const report = drill && damaged.length === 0 ? await rehearse(session, points) : undefined;
  output.document({
    points: points.map((one) => ({ ...one, ...(report && { drill: drillDocument(report) }) })),
  });
  if (points.length === 0) output.print('There are no points to verify.');
  if (!output.options.quiet || damaged.length > 0)
    output.print(...points.flatMap((one) => lines(session, one)));
  if (report) tell(session, report);
}

/** Ctrl-C takes the drill away first. */
async function rehearse(session: Session, [point]: Verification[]): Promise<DrillReport | undefined> {
  if (!point) return undefined;
  const { output, interrupts } = session;
  const progress = await (output.options.json ? openQuietProgress : openProgress)(output);
  const signal = interrupts.hold(() => {
    progress.pause();
    output.complain('', 'Interrupted: the drill is taken away. Ctrl-C again stops at once.');
  });
  const manager = session.manager({ onEvent: (event) => progress.show(event), signal });
  return await manager.drill(point.id).finally(() => progress.pause());
}

const drillDocument = ({ verdicts, warnings }: DrillReport) => ({ verdicts, warnings });

function tell(session: Session, { verdicts, warnings }: DrillReport): void {
  const { output } = session;
  output.note(...warnings.map((warning) => printable(`! ${warning}`)));
  const all = Object.entries(verdicts);
  const told = { pass: ['green', '✓'], fail: ['red', '✗'], inconclusive: ['yellow', '?'] } as const;
  const failed = all.filter(([, { status }]) => status === 'fail');
  if (failed.length > 0) session.exitCode = DAMAGED;
  if (output.options.quiet && failed.length === 0) return;
  const summary = failed.length > 0 ? `${plural(failed.length, 'service')} failed` : summaryOf(all);
  output.print(`Drill: ${summary}; nothing of it is left`);
  for (const [service, { status, reason }] of all) {
    const [colour, sign] = told[status];
    output.print(`  ${output.style(colour, sign)} ${printable(`${service}: ${reason}`)}`);
  }
}

function summaryOf(all: [string, Verdict][]): string {
  if (all.length === 0) return 'nothing ran at the point';
  const unknown = all.filter(([, { status }]) => status === 'inconclusive').length;
  const how = unknown > 0 ? `, and of ${unknown} nobody can tell whether it is well` : '';
  return `${plural(all.length, 'service')} came up from the point alone${how}`;
}

function lines({ output }: Session, verification: Verification): string[] {
  const { id, sound, files, problems, ciphertext_only: unopened } = verification;
  const how = unopened ? 'encrypted as recorded; what is inside was not checked (no key)' : 'as recorded';
  if (sound) return [`${output.style('green', '✓')} ${id}: ${plural(files, 'file')} ${how}`];
  const found = problems.map(({ path, problem }) => printable(`${path}: ${problem}`));
  return [`${output.style('red', '✗')} ${id}: damaged`, ...indented(found)];
}
