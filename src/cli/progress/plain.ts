import type { RollbackEvent } from '../../index.js';
import type { Output } from '../output.js';
import { printable } from '../text.js';
import type { Progress } from './progress.js';
import { doing } from './wording.js';

/** One line for everything that begins, and for everything that did not go as usual. */
export class PlainProgress implements Progress {
  constructor(private readonly output: Output) {}

  show(event: RollbackEvent): void {
    const line = lineOf(event);
    if (line !== undefined) this.output.note(line);
  }

  pause(): void {}
}

function lineOf(event: RollbackEvent): string | undefined {
  switch (event.type) {
    case 'phase':
      return printable(event.message);
    case 'operation':
      if (event.state === 'doing') return `→ ${doing(event.operation)}...`;
      if (event.state === 'failed') return `✗ ${doing(event.operation)}: ${printable(event.error)}`;
      return event.note === null ? undefined : `  ${printable(event.note)}`;
    case 'progress':
      return `  ${printable(`${event.service}: ${event.message}`)}`;
    case 'verdict': {
      const mark = { pass: '✓', fail: '✗', inconclusive: '!' }[event.verdict.status];
      return `${mark} ${printable(`${event.service}: ${event.verdict.reason}`)}`;
    }
    case 'safety-point':
      return `  ${event.id}`;
    case 'warning':
      return `! ${printable(event.message)}`;
    case 'plan':
      return undefined;
  }
}
