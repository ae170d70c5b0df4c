import type { RollbackEvent } from '../../index.js';
import type { Output, Stream } from '../output.js';
import { JsonProgress } from './json.js';
import { PlainProgress, SparseProgress } from './plain.js';

/** How a run tells its way: one renderer of the library's event stream. */
export interface Progress {
  show(event: RollbackEvent): void;
  /** Leaves the screen to somebody else: a question, the result. The next event takes it back. */
  pause(): void;
}

const SILENT: Progress = { show: () => undefined, pause: () => undefined };

/** JSON lines on stdout, or for a person on stderr: a spinner on a terminal, plain lines elsewhere, warnings alone with `--quiet`. */
export async function openProgress(output: Output): Promise<Progress> {
  const { json, quiet } = output.options;
  if (json) return new JsonProgress(output);
  if (quiet) return SILENT;
  if (!hasWidth(output.stderr)) return new PlainProgress(output);
  const { TtyProgress } = await import('./tty.js');
  return TtyProgress.open(output);
}

/** A sign of life on a terminal, elsewhere only what concerns people: for what is soon over. */
export async function openQuietProgress(output: Output): Promise<Progress> {
  if (output.options.json || output.options.quiet) return SILENT;
  return hasWidth(output.stderr) ? openProgress(output) : new SparseProgress(output);
}

/** A terminal with a size: ora never ends on one that has no columns (`docker exec -t`, `script`). */
function hasWidth({ isTTY, columns }: Stream): boolean {
  return isTTY === true && columns !== undefined && columns > 0;
}
