import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { PassThrough, Readable, Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { callbackify } from 'node:util';
import { runProgram } from '../engine/program.js';
import { messageOf, RollbackError } from '../model/errors.js';
import { RUN_VARIABLE } from '../model/names.js';
import { hasErrno } from '../store/files.js';

/** The system's own programs, that bytes stream through. Their words are English, whatever the user's language. */

/** Nothing of the user's (TAR_OPTIONS, ZSTD_CLEVEL, GZIP) changes what they do. What is not theirs is Podman's. */
const ENV = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      /^(?:HOME|XDG_\w+|DBUS_SESSION_BUS_ADDRESS|CONTAINERS_\w+)$/.test(name),
    ),
  ),
  PATH: process.env['PATH'] ?? '/usr/bin:/bin',
  LC_ALL: 'C',
};

export interface Child {
  /** Leads nowhere when it reads a file. */
  stdin: Writable;
  /** Empty when it writes into a file. */
  stdout: Readable;
  /** Its exit code once it and its pipes are done; undefined when a signal ended it. Throws `failed` when it could not be started. */
  ended: Promise<number | undefined>;
  /** Ends it and what it started. */
  kill: () => void;
  running: () => boolean;
}

export interface ChildOptions {
  /** An open file (descriptor) that the program reads itself, so that nothing passes through this process. */
  from?: number | undefined;
  /** One that it writes. */
  into?: number | undefined;
  /** The run that it works for: should we be killed, it is known by that. */
  run?: string | undefined;
}

/** Starts a program, in a process group of its own; `onLine` is told what it writes to stderr. */
export function startChild(
  argv: string[],
  cwd: string,
  onLine: (line: string) => void,
  { from, into, run }: ChildOptions = {},
): Child {
  const [file = '', ...args] = argv;
  // Ctrl-C is ours to handle: it would go to our own group.
  const env = run === undefined ? ENV : { ...ENV, [RUN_VARIABLE]: run };
  const options = { cwd, env, detached: true };
  const child = spawn(file, args, { ...options, stdio: [from ?? 'pipe', into ?? 'pipe', 'pipe'] });
  const { stderr } = child;
  const stdin = child.stdin ?? new PassThrough();
  const stdout = child.stdout ?? Readable.from([]);
  if (!stderr) throw new TypeError('a child without pipes');
  createInterface({ input: stderr }).on('line', onLine);
  const ended = once(child, 'close').then(
    () => child.exitCode ?? undefined,
    (thrown: unknown) => {
      throw cannotStart(file, cwd, thrown);
    },
  );
  heard(stdout);
  ended.catch((thrown: unknown) => stdout.destroy(asError(thrown)));
  const running = () => child.exitCode === null && child.signalCode === null;
  const kill = () => {
    if (child.pid !== undefined && running()) killGroup(child.pid);
  };
  return { stdin, stdout, ended, running, kill };
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (thrown) {
    if (!hasErrno(thrown, 'ESRCH')) throw thrown;
  }
}

/**
 * Runs a program to its end; its stdout. Throws `failed` with its words, beginning with what could not be done: "cannot <doing>". With nothing but
 * lines of `harmless` words it has not failed.
 */
export async function runTool(
  doing: string,
  argv: string[],
  signal?: AbortSignal,
  harmless?: RegExp,
): Promise<string> {
  const result = await runProgram(argv, { env: ENV, ...(signal && { signal }) });
  const words = result.stderr.split('\n').filter(Boolean);
  const fine =
    result.exitCode === 1 &&
    harmless !== undefined &&
    words.length > 0 &&
    words.every((line) => harmless.test(line));
  if (result.exitCode === 0 || fine) return result.stdout;
  const why = words[0] || result.problem || `exit code ${result.exitCode}`;
  throw new RollbackError('failed', `cannot ${doing}: ${why}`);
}

/** The first line that `argv` answers; undefined when there is no such program or it refuses. */
export async function answerOf(argv: string[]): Promise<string | undefined> {
  const { exitCode, stdout } = await runProgram(argv, { env: ENV });
  return exitCode === 0 ? stdout.split('\n')[0] : undefined;
}

/** What stands behind a stream. */
export interface Backing {
  signal: AbortSignal;
  /** Before the stream may end: throws when what it gave is worthless. */
  complete: () => Promise<void>;
  /** Always, however the stream ends, before it is closed. Called more than once. */
  cleanUp: () => Promise<void>;
}

/** What `source` gives, whose end is a promise that all of it was there. Aborted, it fails with the signal's own reason. */
export function vouched(source: Readable, { signal, complete, cleanUp }: Backing): Readable {
  const abort = () => out.destroy(asError(signal.reason));
  const out = new Transform({
    transform: (chunk, _encoding, done) => done(null, chunk),
    flush: callbackify(complete),
    destroy: (error, done) => {
      signal.removeEventListener('abort', abort);
      source.destroy();
      callbackify(cleanUp)((thrown) => done(error ?? thrown));
    },
  });
  source.on('error', (error) => out.destroy(error));
  source.pipe(out);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  return out;
}

/** `source` led through a program. `judge` turns the program's failure into an error; failures of `source` go first. */
export function throughProgram(
  argv: string[],
  source: Readable,
  signal: AbortSignal,
  judge: (words: string) => RollbackError,
): Readable {
  let words = '';
  const child = startChild(argv, '/', (line) => (words ||= line));
  const fed = feed(source, child);
  fed.catch(() => undefined); // `complete` looks at it, unless the stream fails before.
  return vouched(child.stdout, {
    signal,
    complete: async () => {
      const exitCode = await child.ended;
      await fed;
      if (exitCode !== 0) throw judge(words || `exit code ${exitCode}`);
    },
    cleanUp: async () => {
      child.kill();
      source.destroy();
      await Promise.allSettled([child.ended]);
    },
  });
}

/** A stream that fails before anyone reads it fails its reader, and not the whole process. */
export function heard(stream: Readable): void {
  stream.on('error', () => undefined);
}

/** Leads `source` into a child, which is killed when `source` fails: half of it must not look like all of it. Throws what `source` threw. */
export async function feed(source: Readable, child: Child): Promise<void> {
  try {
    if (source.errored) throw source.errored;
    await pipeline(source, child.stdin);
  } catch (thrown) {
    // A program that ended does not read on: its exit code tells why.
    if (hasErrno(thrown, 'EPIPE') || !child.running()) return;
    child.kill();
    throw thrown;
  }
}

export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

function cannotStart(file: string, cwd: string, thrown: unknown): RollbackError {
  if (!existsSync(cwd)) return new RollbackError('failed', `${cwd} is not there`, { cause: thrown });
  const missing = hasErrno(thrown, 'ENOENT');
  return new RollbackError('failed', missing ? `there is no program ${file}` : messageOf(thrown), {
    ...(missing && { hint: `install ${file}` }),
    cause: thrown,
  });
}
