import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { Terminal } from './cli.js';
import { type CliResult, environmentOf, MAIN, type Stack, until } from './e2e.js';

/** The program while it runs: without a terminal, to be signalled; or on one, to be typed at. */

export interface Running {
  /** Of the program itself. */
  pid: number;
  /** All that was printed so far, both streams. */
  output: () => string;
  /** Waits until this was printed; fails when the program ends first. */
  says: (text: string) => Promise<void>;
  signal: (name: NodeJS.Signals) => void;
  ended: Promise<CliResult>;
}

/** Starts `compose-rollback ARGV…` in the stack's directory without a terminal; killed when the test ends, if it runs by then. */
export function begin(stack: Stack, ...argv: string[]): Running {
  return beginWith(stack, {}, ...argv);
}

/** As `begin`, with more variables in the shell. */
export function beginWith(stack: Stack, env: Record<string, string>, ...argv: string[]): Running {
  const child = spawn(process.execPath, [MAIN, ...argv], {
    cwd: stack.directory,
    env: { ...process.env, ...environmentOf(stack), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return { ...watch(child), pid: child.pid ?? 0 };
}

/** The same on a terminal; taken away when the test ends. */
export function atTerminal(stack: Stack, ...argv: string[]): Terminal {
  const env = environmentOf(stack);
  const terminal = new Terminal([process.execPath, MAIN, ...argv], { cwd: stack.directory, env });
  onTestFinished(() => terminal.close());
  return terminal;
}

function watch(child: ChildProcess): Omit<Running, 'pid'> {
  let [stdout, stderr] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const output = () => stdout + stderr;
  const ended = once(child, 'close').then(() => ({ exitCode: child.exitCode ?? undefined, stdout, stderr }));
  return {
    output,
    ended,
    signal: (name) => void child.kill(name),
    says: async (text) =>
      until(async () => {
        if (output().includes(text)) return true;
        if (child.exitCode !== null) throw new Error(`it ended without saying ${text}: ${output()}`);
        return false;
      }, `it says ${text}`),
  };
}
