import type { Hook } from '../model/config.js';
import { quoted } from '../model/names.js';
import { withoutKeys } from '../model/secrets.js';
import { fail, inconclusive, pass, type Verdict } from '../model/verdict.js';
import { lastLines, runningContainers } from './containers.js';
import { execIn } from './exec.js';
import type { HandlerContext } from './handler.js';
import { inSeconds, waitFor, waiting, type Attempt } from './waiting.js';

/** Milliseconds one try may take, and the pause after it, where the hook says nothing. */
const TIMEOUT = 60_000;
const INTERVAL = 1000;
/** Milliseconds between asking a late hook to end and ending it. */
const GRACE = 2000;
/** Characters of output that are kept. */
const KEPT_OUTPUT = 4096;

/**
 * Runs a configured hook: `exec` in the service's first running container, `run` on this machine in `directory` (absolute). A hook
 * that does not succeed is a fail when its `on_failure` is `stop`, else inconclusive; only then its last lines are told.
 */
export async function runHook(hook: Hook, context: HandlerContext, directory: string): Promise<Verdict> {
  const patience = {
    total: 0,
    retries: hook.retries ?? 0,
    interval: hook.interval ?? INTERVAL,
    timeout: hook.timeout ?? TIMEOUT,
  };
  return await waitFor(
    context,
    patience,
    async (timeout) =>
      'exec' in hook
        ? await runInside(context, hook.exec, timeout)
        : await runHere(context, hook.run, directory, timeout),
    hook.on_failure === 'stop' ? fail : inconclusive,
  );
}

async function runInside(context: HandlerContext, argv: string[], timeout: number): Promise<Attempt> {
  const what = describe(argv);
  const [container] = await runningContainers(context);
  if (container === undefined) return waiting(`${what}: ${context.service} has no running container`);
  const outcome = await execIn(context, container, argv, { timeout });
  if (outcome.kind === 'missing') return waiting(`${what}: there is no such program in the container`);
  if (outcome.kind === 'broken') return waiting(`${what}: ${outcome.reason}`);
  return judge(what, outcome.exitCode, `${outcome.stdout}\n${outcome.stderr}`);
}

async function runHere(
  context: HandlerContext,
  argv: string[],
  directory: string,
  timeout: number,
): Promise<Attempt> {
  const { execa } = await import('execa');
  const what = describe(argv);
  const [file = '', ...args] = argv;
  // A process group of its own, so that what the hook started ends with it: a shell alone would leave its children behind.
  const child = execa(file, args, {
    cwd: directory,
    env: withoutKeys(process.env),
    extendEnv: false,
    stdin: 'ignore',
    all: true,
    buffer: false,
    reject: false,
    detached: true,
  });
  let output = '';
  child.all.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-KEPT_OUTPUT);
  });

  let grace: NodeJS.Timeout | undefined;
  const end = () => {
    signalGroup(child.pid, 'SIGTERM');
    grace = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), GRACE);
  };
  const late = AbortSignal.timeout(timeout);
  late.addEventListener('abort', end, { once: true });
  context.signal.addEventListener('abort', end, { once: true });
  const result = await child;
  late.removeEventListener('abort', end);
  context.signal.removeEventListener('abort', end);
  clearTimeout(grace);
  context.signal.throwIfAborted();

  if (late.aborted) return waiting(`${what} took longer than ${inSeconds(timeout)}${told(output)}`);
  if (result.exitCode !== undefined) return judge(what, result.exitCode, output);
  if (result.signal !== undefined) return waiting(`${what} was ended by ${result.signal}${told(output)}`);
  return waiting(`${what} could not be started (${result.code ?? 'unknown reason'})`);
}

function signalGroup(leader: number | undefined, name: NodeJS.Signals): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, name);
  } catch (error) {
    // Already gone.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function judge(what: string, exitCode: number, output: string): Attempt {
  return exitCode === 0
    ? pass(`${what} done`)
    : waiting(`${what} exited with code ${exitCode}${told(output)}`);
}

/** Only the program is named: arguments may hold secrets. */
function describe(argv: string[]): string {
  return `hook ${quoted(argv[0] ?? '')}`;
}

function told(output: string): string {
  const lines = lastLines(output);
  return lines === '' ? '' : `: ${lines}`;
}
