import type { RollbackEvent } from '../../index.js';
import type { Output } from '../output.js';
import type { Progress } from './progress.js';

/** One event a line on stdout. */
export class JsonProgress implements Progress {
  constructor(private readonly output: Output) {}

  show(event: RollbackEvent): void {
    this.output.record(event);
  }

  pause(): void {}
}
