import { expect } from 'vitest';
import { cliWith, type CliResult, containersOf, type ContainerFacts, filesOf, type Stack } from './e2e.js';
import { compose, COMPOSE_V1, PODMAN_COMPOSE } from './engine.js';

/** There and back again: a project is recorded, becomes another, is the recorded one by a rollback and the other one by undo. */

/** For services of which only the definition counts, in YAML's flow style: `web: { ${SLEEPER}, labels: [a=b] }`. */
export const SLEEPER = sleeper('busybox:latest');

/** The same of another image. */
export function sleeper(image: string): string {
  return `image: ${image}, command: [sleep, infinity], stop_signal: SIGKILL`;
}

/** How a program is called: compose's global flags, more variables in its shell, and the folder it is called in. */
export interface Call {
  flags?: string[];
  env?: Record<string, string | undefined>;
  cwd?: string;
}

/** All that a rollback brings back: what runs, and every byte and mode of the stack's folder outside of `rollback/`. */
export interface State {
  /** Sorted by name; names without the number, which is compose's to choose. */
  containers: (Pick<ContainerFacts, 'service' | 'state' | 'image' | 'configHash'> & { name: string })[];
  files: Record<string, string>;
}

export async function stateOf(stack: Stack): Promise<State> {
  const [containers, files] = await Promise.all([containersOf(stack), filesOf(stack.directory)]);
  const facts = Object.entries(containers).map(([name, { service, state, image, configHash }]) => {
    return { name: name.replace(/[-_]\d+$/, ''), service, state, image, configHash };
  });
  const isOurs = (path: string) => /(?:^|\/)rollback(?:\/|$)/.test(path);
  return {
    containers: facts.toSorted((a, b) => (a.name + a.image < b.name + b.image ? -1 : 1)),
    files: Object.fromEntries(Object.entries(files).filter(([path]) => !isOurs(path))),
  };
}

/** `docker compose ARGV…` as a user types it; its stdout. */
export async function composeAs(stack: Stack, call: Call, ...argv: string[]): Promise<string> {
  const { flags = [], env = {}, cwd = stack.directory } = call;
  // podman-compose takes a project's name from its folder, and version 1 knows none in a file.
  const name = (PODMAN_COMPOSE ?? COMPOSE_V1) === undefined ? [] : ['-p', stack.name];
  return await compose([...name, ...flags, ...argv], { cwd, env: { PWD: cwd, ...env } });
}

/** `compose-rollback ARGV…`. A failure is a result, not an error. */
export async function cliAs(stack: Stack, call: Call, ...argv: string[]): Promise<CliResult> {
  const { flags = [], env = {}, cwd = stack.directory } = call;
  return await cliWith(stack, { env: { PWD: cwd, ...env }, cwd }, ...flags, ...argv);
}

/** `cliAs` for what has to succeed: throws with all that was printed when it does not. */
export async function okAs(stack: Stack, call: Call, ...argv: string[]): Promise<CliResult> {
  const result = await cliAs(stack, call, ...argv);
  if (result.exitCode === 0) return result;
  throw new Error(`${argv.join(' ')} exited with ${result.exitCode}\n${result.stdout}\n${result.stderr}`);
}

export interface Trip {
  /** Makes the project another one. */
  change: () => Promise<unknown>;
  /** Services whose containers are new, gone or started again by the rollback, and by undo. All others are left alone. */
  touched: string[];
  /** How our program is called. */
  call?: Call;
  /** How `create` and `undo` are called, where that is another way. */
  createCall?: Call;
  undoCall?: Call;
  /** Further flags of the rollback. */
  flags?: string[];
  /** How the user calls a plain `up`, which has to find nothing to do after the rollback. Left out: not tried. */
  up?: Call;
  /** Services that live in others: compose hashes their containers' ids, so that no two of them have the same hash. */
  borrowers?: string[];
}

/** Throws where the way back or forth ends elsewhere than it should, or touches more. Returns what the rollback printed. */
export async function roundTrip(stack: Stack, trip: Trip): Promise<CliResult> {
  const { call = {}, touched, flags = [], borrowers = [] } = trip;
  const state = async () => withoutHashes(await stateOf(stack), borrowers);
  const before = await state();
  const { stdout: point } = await okAs(stack, trip.createCall ?? call, 'create', '--quiet');
  await trip.change();
  const changed = await state();
  expect(changed).not.toEqual(before);

  const back = () => okAs(stack, call, 'rollback', point, '--yes', ...flags);
  const printed = await starts(stack, touched, back);
  expect(await state()).toEqual(before);
  await starts(stack, [], async () => {
    expect((await back()).stdout).toContain('Nothing to do');
    if (trip.up) await composeAs(stack, trip.up, 'up', '--detach');
  });

  await starts(stack, touched, () => okAs(stack, trip.undoCall ?? call, 'undo', '--yes'));
  expect(await state()).toEqual(changed);
  return printed;
}

/** Acts, and looks that the containers of just these services are new, gone or started again since. */
export async function starts<T>(stack: Stack, services: string[], act: () => Promise<T>): Promise<T> {
  const before = await containersOf(stack);
  const result = await act();
  const after = await containersOf(stack);
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const differing = names.filter(
    (name) => before[name]?.id !== after[name]?.id || before[name]?.startedAt !== after[name]?.startedAt,
  );
  const found = new Set(differing.map((name) => (after[name] ?? before[name])?.service));
  expect(found).toEqual(new Set(services));
  return result;
}

/** The service's first container. */
export async function containerOf(stack: Stack, service: string): Promise<ContainerFacts> {
  const found = Object.values(await containersOf(stack)).find((container) => container.service === service);
  if (!found) throw new Error(`${service} has no container`);
  return found;
}

function withoutHashes({ containers, files }: State, services: string[]): State {
  const cleared = containers.map((facts) =>
    services.includes(facts.service) ? { ...facts, configHash: '' } : facts,
  );
  return { containers: cleared, files };
}
