import { messageOf } from '../model/errors.js';
import type { Environment } from './endpoint.js';

export interface ProgramOptions {
  cwd?: string;
  /** The whole environment of the child. */
  env: Environment;
  /** Text for its stdin; empty when absent. */
  input?: string;
  signal?: AbortSignal;
}

export interface ProgramResult {
  /** Undefined when it could not be started or was killed. */
  exitCode: number | undefined;
  stdout: string;
  stderr: string;
  /** Why it could not be started or ended without an exit code. */
  problem: string | undefined;
}

/** Runs a program without a shell and without a terminal. Failing is a result; only an abort throws: the signal's own reason. */
export async function runProgram(argv: string[], options: ProgramOptions): Promise<ProgramResult> {
  const { execa } = await import('execa');
  options.signal?.throwIfAborted();
  const [file = '', ...args] = argv;
  const run = () =>
    execa(file, args, {
      env: options.env,
      extendEnv: false,
      ...(options.input === undefined ? { stdin: 'ignore' } : { input: options.input }),
      reject: false,
      // Ctrl-C goes to a terminal's whole process group: what runs for us is ours to end, at a moment of our choosing.
      detached: true,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    });
  let result = await run();
  // Until a new process has left our group Ctrl-C reaches it too: it had not begun.
  if (result.signal === 'SIGINT' && !result.isCanceled) result = await run();
  if (result.isCanceled) options.signal?.throwIfAborted();
  return {
    exitCode: result.exitCode,
    stdout: result.stdout,
    stderr: result.stderr,
    problem: result.exitCode === undefined ? messageOf(result.cause ?? result.signalDescription) : undefined,
  };
}
