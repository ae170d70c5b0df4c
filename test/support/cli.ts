import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, expect } from 'vitest';
import { DOCUMENTS } from '../../src/model/documents.js';

/** The real program, called as a person calls it. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Ended {
  code: number | undefined;
  stdout: string;
  stderr: string;
}

export interface CallOptions {
  cwd?: string;
  env?: Record<string, string>;
  input?: string;
  /** Columns of the terminal; 80 when absent. */
  columns?: number;
  /** Node's own flags. */
  nodeOptions?: string[];
}

export interface Cli {
  /** Absolute path of the built main.js, executable. */
  readonly main: string;
  /** A directory with `compose-rollback` and `docker-rollback` in it, for PATH. */
  readonly bin: string;
  /** Calls it without a terminal. */
  run(argv: string[], options?: CallOptions): Promise<Ended>;
  /** Calls it on a terminal of its own. */
  terminal(argv: string[], options?: CallOptions): Terminal;
}

/** The program that `npm run build` made, for one test file. Its terminals are closed at the end. */
export function builtCli(): Cli {
  const terminals: Terminal[] = [];
  const main = join(ROOT, 'dist', 'main.js');
  let bin = '';
  beforeAll(async () => {
    bin = await mkdtemp(join(tmpdir(), 'compose-rollback-bin-'));
    for (const name of ['compose-rollback', 'docker-rollback']) await symlink(main, join(bin, name));
  });
  afterAll(async () => {
    for (const terminal of terminals) terminal.close();
    await rm(bin, { recursive: true, force: true });
  });
  return {
    main,
    get bin() {
      return bin;
    },
    run: (argv, options = {}) =>
      call(process.execPath, [...(options.nodeOptions ?? []), main, ...argv], options),
    terminal(argv, options = {}) {
      const terminal = new Terminal([process.execPath, main, ...argv], options);
      terminals.push(terminal);
      return terminal;
    },
  };
}

/** Runs any program; a failure is a result. */
export async function call(
  file: string,
  argv: string[],
  { cwd, env, input }: CallOptions = {},
): Promise<Ended> {
  const { exitCode, stdout, stderr } = await execa(file, argv, {
    reject: false,
    stripFinalNewline: false,
    env: { NO_COLOR: '', ...env },
    ...(cwd === undefined ? {} : { cwd }),
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
  });
  return { code: exitCode, stdout, stderr };
}

/** A program on a pseudo-terminal (util-linux' `script`): what it shows is seen, what is typed reaches it. */
export class Terminal {
  readonly #process;
  #shown = '';
  #watchers: (() => void)[] = [];

  constructor(argv: string[], { cwd, env, columns = 80 }: CallOptions) {
    const command = `stty cols ${columns} rows 24 && exec ${argv.map(quoted).join(' ')}`;
    this.#process = execa('script', ['-qec', command, '/dev/null'], {
      reject: false,
      stdin: 'pipe',
      env: { TERM: 'xterm', SHELL: '/bin/sh', NO_COLOR: '1', ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.#process.stdout.on('data', (chunk: Buffer) => {
      this.#shown += chunk.toString();
      for (const watcher of this.#watchers) watcher();
    });
  }

  get shown(): string {
    return this.#shown;
  }

  /** Resolves once `text` was shown; throws with what was shown when the program ends first. */
  async sees(text: string): Promise<void> {
    const seen = new Promise<boolean>((resolve) => {
      const look = () => this.#shown.includes(text) && resolve(true);
      this.#watchers.push(look);
      look();
    });
    const ended = this.#process.then(() => this.#shown.includes(text));
    if (!(await Promise.race([seen, ended]))) throw new Error(`never saw ${text} in:\n${this.#shown}`);
  }

  type(text: string): void {
    this.#process.stdin.write(text);
  }

  /** Takes the terminal away from a program that still runs. */
  close(): void {
    this.#process.kill();
  }

  /** The program's exit code. */
  async ended(): Promise<number | undefined> {
    return (await this.#process).exitCode;
  }
}

export const CTRL_C = '\u0003';
export const CTRL_D = '\u0004';

/** For /bin/sh, which `script` cannot do without. */
const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

/** The document that was printed, held against its published schema: nothing is missing, nothing is more. */
export function documentOf(name: string, text: string): unknown {
  const document: unknown = JSON.parse(text);
  const parsed = DOCUMENTS[name]?.safeParse(document);
  if (parsed?.error) throw new Error(`not a ${name} document: ${parsed.error.message}\n${text}`);
  expect(parsed?.data).toEqual(document);
  return document;
}
