import { execa } from 'execa';
import { expect } from 'vitest';
import { cliWith, type CliResult, containersOf, type ContainerFacts, filesOf, type Stack } from './e2e.js';

/** There and back again: a project is recorded, becomes another, and is the recorded one again, by rollback, undo and redo. */

/** For services of which only the definition counts, in YAML's flow style: `web: { ${SLEEPER}, labels: [a=b] }`. */
export const SLEEPER = 'image: busybox:latest, command: [sleep, infinity], stop_signal: SIGKILL';

/** How a program is called: compose's global flags, more variables in its shell, and the folder it is called in. */
export interface Call {
  flags?: string[];
  env?: Record<string, string | undefined>;
  cwd?: string;
}

/** All that a rollback brings back: what runs, and every byte and mode of the stack's folder outside of backups. */
export interface State {
  /** By container name. */
  containers: Record<string, Pick<ContainerFacts, 'service' | 'state' | 'image' | 'configHash'>>;
  files: Record<string, string>;
}

export async function stateOf(stack: Stack): Promise<State> {
  const [containers, files] = await Promise.all([containersOf(stack), filesOf(stack.directory)]);
  return {
    containers: mapValues(containers, ({ service, state, image, configHash }) => ({
      service,
      state,
      image,
      configHash,
    })),
    files: Object.fromEntries(
      Object.entries(files).filter(([path]) => !/(?:^|\/)rollback(?:\/|$)/.test(path)),
    ),
  };
}

/** `docker compose ARGV…` as a user types it; its stdout. */
export async function composeAs(stack: Stack, call: Call, ...argv: string[]): Promise<string> {
  const { flags = [], env = {}, cwd = stack.directory } = call;
  const words = ['compose', ...flags, ...argv];
  const { stdout } = await execa('docker', words, { cwd, env: { PWD: cwd, ...env }, stdin: 'ignore' });
  return stdout;
}

/** `compose-rollback ARGV…`, which has to succeed; throws with all that was printed when it does not. */
export async function okAs(stack: Stack, call: Call, ...argv: string[]): Promise<CliResult> {
  const { flags = [], env = {}, cwd = stack.directory } = call;
  const result = await cliWith(stack, { env: { PWD: cwd, ...env }, cwd }, ...flags, ...argv);
  if (result.exitCode === 0) return result;
  throw new Error(`${argv.join(' ')} exited with ${result.exitCode}\n${result.stdout}\n${result.stderr}`);
}

export interface Trip {
  /** How our program is called. */
  call?: Call;
  /** How `create` is called, where that is another way. */
  createCall?: Call;
  /** Makes the project another one. */
  change: () => Promise<unknown>;
  /** Services whose containers are started (made anew or not) on the way back and forth; all the others are left alone. */
  touched: string[];
  /** A plain `up` as the project's user calls it: finds nothing to do where the rollback ended. Left out: not tried. */
  up?: Call;
  /** Further flags of the rollback. */
  rollback?: string[];
}

/**
 * Records the project, changes it, and rolls back, undoes and redoes: each time the state is the one before, only the touched services
 * were started, and a second rollback has nothing to do. Returns what the rollback printed.
 */
export async function roundTrip(stack: Stack, trip: Trip): Promise<CliResult> {
  const { call = {}, touched, rollback = [] } = trip;
  const before = await stateOf(stack);
  const { stdout: point } = await okAs(stack, trip.createCall ?? call, 'create', '--quiet');
  await trip.change();
  const changed = await stateOf(stack);
  expect(changed).not.toEqual(before);

  const went = await starts(stack, touched, () => okAs(stack, call, 'rollback', point, '--yes', ...rollback));
  expect(await stateOf(stack)).toEqual(before);
  await starts(stack, [], async () => {
    const { stdout, stderr } = await okAs(stack, call, 'rollback', point, '--yes', ...rollback);
    expect(stdout + stderr).toContain('othing to do');
    if (trip.up) await composeAs(stack, trip.up, 'up', '--detach');
  });

  await starts(stack, touched, () => okAs(stack, call, 'undo', '--yes'));
  expect(await stateOf(stack)).toEqual(changed);
  await starts(stack, touched, () => okAs(stack, call, 'undo', '--yes'));
  expect(await stateOf(stack)).toEqual(before);
  return went;
}

/** Acts, and looks that just the containers of these services are new, gone or started again since. */
export async function starts<T>(stack: Stack, services: string[], act: () => Promise<T>): Promise<T> {
  const before = await containersOf(stack);
  const result = await act();
  const after = await containersOf(stack);
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const differing = names.filter(
    (name) => before[name]?.id !== after[name]?.id || before[name]?.startedAt !== after[name]?.startedAt,
  );
  const found = new Set(differing.map((name) => (after[name] ?? before[name])?.service));
  expect([...found].toSorted()).toEqual(services.toSorted());
  return result;
}

function mapValues<T, U>(record: Record<string, T>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
