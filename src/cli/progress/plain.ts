import type { RollbackEvent } from '../../index.js';
import type { Output } from '../output.js';
import { printable } from '../text.js';
import type { Progress } from './progress.js';
import { wordingOf } from './wording.js';

/** One line for everything that begins, and for everything that did not go as usual. */
export class PlainProgress implements Progress {
  constructor(private readonly output: Output) {}

  show(event: RollbackEvent): void {
    const line = lineOf(event);
    if (line !== undefined) this.output.note(line);
  }

  pause(): void {}
}

/** Warnings, and that services wait. */
export class SparseProgress extends PlainProgress {
  override show(event: RollbackEvent): void {
    const waiting = event.type === 'phase' && event.phase === 'data';
    if (waiting || event.type === 'warning') super.show(event);
  }
}

function lineOf(event: RollbackEvent): string | undefined {
  switch (event.type) {
    case 'phase':
      return printable(event.message);
    case 'operation':
      if (event.state === 'doing') return `→ ${wordingOf(event.operation).doing}...`;
      if (event.state === 'failed') return `✗ ${wordingOf(event.operation).doing}: ${printable(event.error)}`;
      return event.note === null ? undefined : `  ${printable(event.note)}`;
    case 'progress':
      return `  ${printable(`${event.service}: ${event.message}`)}`;
    case 'verdict':
      // The others come again: as a warning, or as the failure of the operation.
      return event.verdict.status === 'pass'
        ? `✓ ${printable(`${event.service}: ${event.verdict.reason}`)}`
        : undefined;
    case 'safety-point':
      return `  ${event.id}`;
    case 'warning':
      return `! ${printable(event.message)}`;
    case 'plan':
    case 'move-plan':
    case 'bytes':
      return undefined;
  }
}
