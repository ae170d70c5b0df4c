import type { Command } from 'commander';
import { aged, describeReplacement, plural, type Status } from '../../index.js';
import { differenceLines } from '../differences.js';
import { pointLabel } from '../points.js';
import type { Session } from '../session.js';
import { columns, printable } from '../text.js';

export function define(command: Command, session: () => Session): void {
  command.action(() => status(session()));
}

async function status(session: Session): Promise<void> {
  const { output } = session;
  const report = await session.manager().status();
  output.document(report);
  const { engine, provider } = report;
  output.print(
    `${output.style('bold', printable(report.project))} in ${printable(report.directory)}`,
    `${engine.kind} ${engine.version} at ${printable(engine.host)}, ${provider.name} ${provider.version}`,
    '',
    ...serviceLines(report),
    '',
    ...pointLines(report),
  );
  if (report.unfinished) {
    output.note(
      `! ${report.unfinished.id} never ended: its process was killed; compose-rollback resume finishes it, abort takes it back`,
    );
  }
  output.note(
    ...report.replaced.map(
      ({ service, differences }) => `! ${printable(describeReplacement(service, differences))}`,
    ),
  );
  output.note(...report.warnings.map((warning) => `! ${printable(warning)}`));
}

function serviceLines({ services }: Status): string[] {
  if (services.length === 0) return ['No services.'];
  return columns(
    services.map(({ name, state, image, containers, health }) => {
      const count = containers > 1 ? ` (${containers})` : '';
      return [name, `${state}${count}`, health === 'none' ? '' : health, image ?? ''].map(printable);
    }),
  );
}

function pointLines({ points, latest, changes }: Status): string[] {
  if (points === 0) return ['No rollback points yet. Make one with: compose-rollback create'];
  const count = plural(points, 'rollback point');
  if (!latest) return [`${count}, but no manual or deploy point to compare with.`];
  const age = aged(latest.timestamp, new Date().toISOString(), 'old');
  const summary = `${count}, the latest ${age}: ${pointLabel(latest)}`;
  if (changes.length === 0) return [summary, 'Nothing changed since.'];
  return [summary, 'Changed since:', ...differenceLines(changes)];
}
