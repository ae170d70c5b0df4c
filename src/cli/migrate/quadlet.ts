import type { Command } from 'commander';
import { plural, type QuadletReport } from '../../index.js';
import type { Session } from '../session.js';
import { indented, printable, printableLines } from '../text.js';

interface Options {
  output?: string;
  force?: true;
}

/** Where systemd's generator looks for units of a user. */
const PLACE = '~/.config/containers/systemd/';

export function define(command: Command, session: () => Session): void {
  command
    .option('-o, --output <dir>', 'write the files into this directory; else they are only shown')
    .option('--force', 'replace files that are there')
    .addHelpText(
      'after',
      `\nUnits belong into ${PLACE} (/etc/containers/systemd/ for root). No engine is asked, and\nnothing is put there unless it is named.\n\nExamples:\n  compose-rollback migrate quadlet\n  compose-rollback migrate quadlet -o units`,
    )
    .action((options: Options) => quadlet(session(), options));
}

async function quadlet(session: Session, options: Options): Promise<void> {
  const { output } = session;
  const report = await session.migration().quadlet(options);
  output.document(report);
  if (report.directory === null) output.print(...shown(report));
  else if (output.options.quiet) output.print(report.directory);
  else output.print(...written(report, report.directory, output.style('green', '✓')));
  output.note(...notes(report));
}

/** Of units that were written with something else. */
export function tellUnits({ output }: Session, report: QuadletReport): void {
  const { directory } = report;
  if (directory === null || output.options.quiet) return;
  output.print(...written(report, directory, output.style('green', '✓')));
  output.note(...notes(report));
}

function shown({ units, environments }: QuadletReport): string[] {
  return [
    ...units.flatMap(({ name, text }) => [`==> ${printable(name)} <==`, ...printableLines(text)]),
    ...environments.flatMap(({ name, variables }) => [
      `==> ${printable(name)} <==`,
      ...variables.map((variable) => `${printable(variable)}=***`),
      '',
    ]),
  ];
}

function written({ units, environments }: QuadletReport, directory: string, mark: string): string[] {
  const names = [...units, ...environments].map(({ name }) => printable(name));
  return [
    `${mark} ${plural(names.length, 'file')} in ${printable(directory)}, for nobody else to read`,
    ...indented(names),
  ];
}

function notes({ project, podman, directory, units, remarks }: QuadletReport): string[] {
  const services = units.flatMap(({ name }) => /^(.*)\.container$/.exec(name)?.[1] ?? []);
  return [
    ...remarks.map(({ about, remark }) => `! ${printable(`${about}: ${remark}`)}`),
    ...(directory === null ? ['Nothing was written: --output DIR does that.'] : []),
    `Where they go: ${PLACE}, with Podman ${podman} or newer and systemd. Then, once nothing else of ${printable(project)} runs:`,
    ...indented([
      'systemctl --user daemon-reload',
      `systemctl --user start ${services.map((name) => printable(`${name}.service`)).join(' ')}`,
    ]),
  ];
}
