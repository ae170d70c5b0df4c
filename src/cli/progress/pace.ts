import { bytes, type RollbackEvent } from '../../index.js';

type Bytes = Extract<RollbackEvent, { type: 'bytes' }>;

/** How fast copies go: `120.0 MB of 700.0 MB, 240.0 MB/s, 3 s left`. */
export class Pace {
  readonly #started = new Map<string, { at: number; done: number }>();

  of({ what, done, total }: Bytes, now = Date.now()): string {
    const known = this.#started.get(what);
    const start = known && known.done <= done ? known : { at: now, done };
    this.#started.set(what, start);
    const seconds = (now - start.at) / 1000;
    const rate = seconds < 0.5 ? undefined : (done - start.done) / seconds;
    const left = rate && total !== null && total > done ? Math.ceil((total - done) / rate) : undefined;
    return [
      total === null ? bytes(done) : `${bytes(done)} of ${bytes(total)}`,
      ...(rate ? [`${bytes(Math.round(rate))}/s`] : []),
      ...(left === undefined ? [] : [`${left} s left`]),
    ].join(', ');
  }
}
