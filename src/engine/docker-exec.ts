import { addAbortSignal } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type Dockerode from 'dockerode';
import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';
import { demultiplex, framesOf } from './docker-stream.js';
import type { ExecOptions, ExecResult } from './engine.js';

/** Commands in containers, over Docker's API. Throws what dockerode throws, an abort among it. */

/** Milliseconds. */
const EXIT_POLL = 10;
/** Characters of what a command says last. */
const MAX_WORDS = 2000;

type Options = Pick<ExecOptions, 'env' | 'user'>;

export async function runToEnd(
  container: Dockerode.Container,
  argv: string[],
  options: Options,
  signal: AbortSignal,
): Promise<ExecResult> {
  const { exec, sent } = await start(container, argv, options, signal);
  const { stdout, stderr } = demultiplex(await buffer(sent));
  return { exitCode: await exitCodeOf(exec, signal), stdout, stderr };
}

/** What it writes to its standard output. Throws `failed` with its last words when it ends otherwise than with 0, and the signal's own reason. */
export async function* outputOf(
  container: Dockerode.Container,
  argv: string[],
  options: Options,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  try {
    yield* output(container, argv, options, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    throw thrown;
  }
}

async function* output(
  container: Dockerode.Container,
  argv: string[],
  options: Options,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const { exec, sent } = await start(container, argv, options, signal);
  let words = '';
  for await (const { stderr, payload } of framesOf(sent)) {
    if (stderr) words = (words + payload.toString()).slice(-MAX_WORDS);
    else yield payload;
  }
  const exitCode = await exitCodeOf(exec, signal);
  if (exitCode === 0) return;
  const last = words.trim().split('\n').at(-1) ?? '';
  throw new RollbackError('failed', `${quoted(argv[0] ?? '')} ended with ${exitCode}: ${last}`);
}

async function start(
  container: Dockerode.Container,
  argv: string[],
  { env = {}, user }: Options,
  signal: AbortSignal,
) {
  signal.throwIfAborted();
  const exec = await container.exec({
    Cmd: argv,
    AttachStdout: true,
    AttachStderr: true,
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    ...(user === undefined ? {} : { User: user }),
    abortSignal: signal,
  });
  const stream = await exec.start({ hijack: false, stdin: false, abortSignal: signal });
  return { exec, sent: addAbortSignal(signal, stream) };
}

/** Its stream may end before the engine has noted the exit code. */
async function exitCodeOf(exec: Dockerode.Exec, signal: AbortSignal): Promise<number> {
  for (;;) {
    const { Running, ExitCode } = await exec.inspect({ abortSignal: signal });
    if (!Running && ExitCode !== null) return ExitCode;
    await delay(EXIT_POLL, undefined, { signal });
  }
}
