import { Option, type Command } from 'commander';
import type { PointKind, PointSummary, RollbackManager, StoreUsage } from '../../index.js';
import { bytes, parsePointKind, POINT_KINDS, RollbackError } from '../../index.js';
import { parseNames } from '../arguments.js';
import { pointBlock } from '../points.js';
import { printable } from '../text.js';
import type { Session } from '../session.js';

interface Options {
  kind?: PointKind[];
  safety?: true;
  sizes?: true;
}

export function define(command: Command, session: () => Session): void {
  command
    .addOption(
      new Option('--kind <kind>', 'only these kinds of points; may be repeated, or given as a,b')
        .choices(POINT_KINDS)
        .argParser(addKinds), // after the choices, whose own parser takes only one
    )
    .option('--safety', 'safety points too: those that rollbacks take of the state before them')
    .option('--sizes', 'what each takes on the disk, alone and together with other points')
    .addHelpText(
      'after',
      '\nWithout --kind: manual, deploy and migration points. With --quiet only the ids are printed, one a line.',
    )
    .action((options: Options) => list(session(), options));
}

function addKinds(text: string, before: PointKind[] = []): PointKind[] {
  return [...before, ...parseNames(text).map(parsePointKind)];
}

async function list(session: Session, { sizes, kind, safety }: Options): Promise<void> {
  const { output } = session;
  const request = { kinds: kind, safety };
  const manager = session.manager();
  if (output.options.json) {
    const documents = await manager.listPointDocuments(request);
    if (sizes) output.document(await withUsage(manager, documents));
    // Passed on as they are stored: parsing thousands of them would be most of the work.
    else output.stdout.write(`{"points":[\n${documents.join(',\n')}\n]}\n`);
    return;
  }
  const points = await manager.listPointLines(request);
  if (output.options.quiet) {
    output.print(...points.map(({ id }) => id));
    return;
  }
  if (points.length === 0) {
    output.print('Found 0 rollback points.');
    if (kind !== undefined) return;
    output.note('Make one with: compose-rollback create "Before the next change"');
    output.note(...(await placesSeen(manager)));
    return;
  }
  const usage = sizes && (await manager.usage());
  const bold = (text: string) => output.style('bold', text);
  const now = new Date().toISOString();
  const blocks = points.map((point, index) =>
    pointBlock(point, { number: index + 1, bold, now, size: sizeOf(usage, point.id) }).join('\n'),
  );
  output.print(`Found ${points.length} rollback point(s):\n`, blocks.join('\n\n'));
  if (usage) output.print('', `All points, of every kind: ${bytes(usage.total)}`);
}

/** Empty when only the engine could tell where that would be. */
async function placesSeen(manager: RollbackManager): Promise<string[]> {
  try {
    return [printable(`Looked in ${(await manager.backupDirectory()).path}`)];
  } catch (error) {
    if (error instanceof RollbackError) return [];
    throw error;
  }
}

/** `1.2 MB, and 34.0 MB shared with other points`. */
function sizeOf(usage: StoreUsage | undefined, id: string): string | undefined {
  const found = usage?.points[id];
  if (!found) return undefined;
  const shared = found.shared > 0 ? `, and ${bytes(found.shared)} shared with other points` : '';
  return bytes(found.own) + shared;
}

async function withUsage(manager: RollbackManager, documents: string[]) {
  const { points, total } = await manager.usage();
  const summaries = documents.map((text): PointSummary => JSON.parse(text));
  return { points: summaries.map((point) => ({ ...point, usage: points[point.id] })), total };
}
