import { Option, type Command } from 'commander';
import { bytes, notCoveredBy, notCoveredLines, plural } from '../../index.js';
import { parseNames } from '../arguments.js';
import { failingLines } from '../points.js';
import { openQuietProgress } from '../progress/progress.js';
import type { Session } from '../session.js';
import { printable } from '../text.js';

interface Options {
  includeVolumes?: true;
  services?: string[];
  name?: string;
  pin?: true;
  strict?: true;
  saveImages?: 'auto' | 'always' | 'never';
}

export function define(command: Command, session: () => Session): void {
  command
    .argument('[description]', 'why the point is made, such as "Before v2.0"')
    .option('--include-volumes', 'record volume data too')
    .addOption(new Option('--services <a,b>', 'only these services').argParser(parseNames))
    .option('--name <name>', 'a name to call the point by; unique in the project')
    .option('--pin', 'keep it whatever its age')
    .option('--strict', 'record nothing unless the point covers everything that the services use')
    .addOption(
      new Option(
        '--save-images <when>',
        'archive images: those no registry can give back, all, none',
      ).choices(['auto', 'always', 'never']),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  compose-rollback create "Before v2.0 deployment"\n  compose-rollback create --name stable --pin "Known to work"\n  id=$(compose-rollback create --quiet "From a script")',
    )
    .action((description: string | undefined, options: Options) => create(session(), description, options));
}

async function create(session: Session, description: string | undefined, options: Options): Promise<void> {
  const { output } = session;
  const progress = await openQuietProgress(output);
  const manager = session.manager({ onEvent: (event) => progress.show(event) });
  const point = await manager
    .createRollbackPoint({ description, ...options })
    .finally(() => progress.pause());
  output.document(point);
  if (output.options.quiet) output.print(point.id);
  else {
    output.print(`${output.style('green', '✓')} Created rollback point: ${point.id}`);
    const files = plural(Object.keys(point.config_hashes).length, 'configuration file');
    const kept = Object.values(point.images).filter(({ kept_tag }) => kept_tag !== null);
    const images = plural(kept.length, 'image');
    output.note(
      `  ${plural(point.services.length, 'service')}, ${images}, ${files}, ${bytes(point.sizes.total)}`,
    );
  }
  if (Object.values(point.containers).every(({ replicas }) => replicas === 0)) {
    output.note('! No containers: only the configuration was recorded');
  }
  output.note(...point.warnings.map((warning) => `! ${printable(warning)}`));
  output.note(...failingLines(point).map((line) => `! ${line}`));
  const left = notCoveredLines(notCoveredBy(point));
  output.note(...left.map((line) => printable(`! Not covered: ${line}`)));
}
