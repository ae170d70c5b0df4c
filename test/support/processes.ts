import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { type CliResult, MAIN, type Stack, until } from './e2e.js';

/** The program while it runs: without a terminal, to be signalled; or on a real one (a pty, by util-linux' `script`), to be typed at. */

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

export interface AtTerminal extends Running {
  /** As if these keys were pressed; Enter is `\r`, Ctrl-C `\x03`, Ctrl-D `\x04`. */
  type: (keys: string) => void;
}

/** Starts `compose-rollback ARGV…` in the stack's directory without a terminal; killed when the test ends, if it runs by then. */
export function begin(stack: Stack, ...argv: string[]): Running {
  const child = start(stack, process.execPath, [MAIN, ...argv]);
  return { ...watch(child), pid: child.pid ?? 0 };
}

/** The same on a terminal. There is one stream then: it comes as stdout. */
export async function atTerminal(stack: Stack, ...argv: string[]): Promise<AtTerminal> {
  // The shell's own pid becomes the program's: it is printed, then the shell becomes the program.
  const words = [process.execPath, MAIN, ...argv].map(
    (word) => `'${word.replaceAll("'", String.raw`'\''`)}'`,
  );
  const command = `echo "pid:$$"; exec ${words.join(' ')}`;
  const child = start(stack, 'script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null']);
  const running = watch(child);
  await running.says('pid:');
  await until(async () => /pid:\d+\s/.test(running.output()), 'the program told its pid');
  const pid = Number(/pid:(\d+)/.exec(running.output())?.[1]);
  return {
    ...running,
    pid,
    signal: (name) => process.kill(pid, name),
    type: (keys) => child.stdin?.write(keys),
  };
}

function start(stack: Stack, file: string, argv: string[]): ChildProcess {
  const child = spawn(file, argv, {
    cwd: stack.directory,
    env: { ...process.env, COMPOSE_ROLLBACK_LOCK_DIR: stack.locks, SHELL: '/bin/sh', TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  if (file !== 'script') child.stdin?.end();
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
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
