import type { WriteStream } from 'node:tty';
import { styleText } from 'node:util';

/** Where output goes: data to stdout, everything that is said about it to stderr. */

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

export type Stream = Pick<WriteStream, 'write'> & { isTTY?: boolean; columns?: number };

export interface OutputOptions {
  json: boolean;
  quiet: boolean;
  /** Colours where the stream is a terminal. */
  colour: boolean;
}

export class Output {
  constructor(
    readonly stdout: Stream,
    readonly stderr: Stream,
    readonly options: OutputOptions,
  ) {}

  /** Data, for a person; nothing when `--json` asked for a document instead. */
  print(...lines: string[]): void {
    if (this.options.json || lines.length === 0) return;
    this.stdout.write(`${lines.join('\n')}\n`);
  }

  /** The command's one document, when `--json` asked for it. */
  document(value: unknown): void {
    if (this.options.json) this.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** One line of several documents. */
  record(value: unknown): void {
    this.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** Said beside the data; not with `--quiet`. */
  note(...lines: string[]): void {
    if (!this.options.quiet) this.complain(...lines);
  }

  /** Said even with `--quiet`. */
  complain(...lines: string[]): void {
    if (lines.length > 0) this.stderr.write(`${lines.join('\n')}\n`);
  }

  /** `text` in a style, on stdout. */
  style(style: Style, text: string): string {
    return this.#styled(this.stdout, style, text);
  }

  /** `text` in a style, on stderr. */
  noteStyle(style: Style, text: string): string {
    return this.#styled(this.stderr, style, text);
  }

  #styled(stream: Stream, style: Style, text: string): string {
    if (!this.options.colour || stream.isTTY !== true) return text;
    return styleText(style, text, { validateStream: false }); // it would ask stdout, whatever the stream
  }
}

/** NO_COLOR (any value but the empty one) and dumb terminals ask for plain text. */
export function wantsColour(env: Record<string, string | undefined>): boolean {
  return (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
}
