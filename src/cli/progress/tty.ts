import ora, { type Ora } from 'ora';
import type { RollbackEvent } from '../../index.js';
import type { Output } from '../output.js';
import { printable } from '../text.js';
import type { Progress } from './progress.js';
import { Pace } from './pace.js';
import { wordingOf } from './wording.js';

/** A spinner for what goes on, and a line for everything that was done. */
export class TtyProgress implements Progress {
  readonly #pace = new Pace();

  private constructor(
    private readonly output: Output,
    private readonly spinner: Ora,
  ) {}

  static open(output: Output): TtyProgress {
    const colour = output.options.colour ? 'cyan' : false;
    // Its default would put the terminal into raw mode, and Ctrl-C would no longer reach us.
    return new TtyProgress(output, ora({ stream: process.stderr, discardStdin: false, color: colour }));
  }

  show(event: RollbackEvent): void {
    switch (event.type) {
      case 'phase':
        if (event.phase === 'return') this.#say(this.#mark('yellow', '!'), printable(event.message));
        else this.#spin(`${printable(event.message)}...`);
        return;
      case 'operation': {
        const { doing, done } = wordingOf(event.operation);
        if (event.state === 'doing') this.#spin(`→ ${doing}...`);
        else if (event.state === 'failed')
          this.#say(this.#mark('red', '✗'), `${doing}: ${printable(event.error)}`);
        else
          this.#say(
            this.#mark('green', '✓'),
            event.note === null ? done : `${done} (${printable(event.note)})`,
          );
        return;
      }
      case 'progress':
        this.#spin(printable(`${event.service}: ${event.message}`));
        return;
      case 'bytes':
        this.#spin(`${printable(event.what)}: ${this.#pace.of(event)}`);
        return;
      case 'warning':
        this.#say(this.#mark('yellow', '!'), printable(event.message));
        return;
      case 'safety-point':
        this.#say(this.#mark('green', '✓'), `Recorded the present as ${event.id}`);
        return;
      case 'plan':
      case 'move-plan':
      case 'verdict': // comes again: as a warning, as a failure, and in the result
        return;
    }
  }

  pause(): void {
    this.spinner.stop();
  }

  #spin(text: string): void {
    this.spinner.start(text);
  }

  #say(mark: string, text: string): void {
    this.spinner.stop();
    this.output.note(`${mark} ${text}`);
  }

  #mark(style: 'green' | 'red' | 'yellow', mark: string): string {
    return this.output.noteStyle(style, mark);
  }
}
