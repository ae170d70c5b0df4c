import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { messageOf, RollbackError } from '../model/errors.js';
import type { Container } from '../model/engine.js';
import { deadHolds, dropHold, writeHold, type Clones, type Hold } from '../store/holds.js';
import { isAlive } from '../store/process.js';
import type { Workspace } from './workspace.js';

/** Both from `src/run/` and from the bundle's `dist/chunks/`. */
const WATCHDOG = fileURLToPath(new URL('../../dist/watchdog.js', import.meta.url));

export interface Held {
  container: Container;
  how: 'pause' | 'stop';
}

/**
 * Keeps containers from writing while `act` reads. Whatever happens they run again afterwards: by us, by a watchdog when we are killed, or, should
 * that be killed too, by the next command, which finds the note. Throws `failed` when one of them cannot be made to run again.
 */
export async function holding<T>(
  workspace: Workspace,
  held: Held[],
  watchdog: Watchdog | undefined,
  act: () => Promise<T>,
): Promise<T> {
  if (held.length === 0) return await act();
  if (!watchdog) throw new TypeError('nothing is held without a watchdog');
  const { engine, store } = workspace;
  const note = await writeHold(
    store.dir,
    held.map(({ container }) => container.id),
  );
  await watchdog.guard(workspace, note);
  try {
    await Promise.all(
      held.map(({ container, how }) =>
        how === 'pause' ? engine.pause(container.id) : engine.stop(container.id),
      ),
    );
    return await act();
  } finally {
    await letGo(workspace, held);
    await dropHold(note);
    await watchdog.dismiss();
  }
}

async function letGo({ engine }: Workspace, held: Held[]): Promise<void> {
  const results = await Promise.allSettled(held.map(({ container }) => engine.start(container.id)));
  const failures = results.flatMap((result, index) => {
    const name = held[index]?.container.name ?? '';
    return result.status === 'rejected' ? [{ name, reason: messageOf(result.reason) }] : [];
  });
  const [first] = failures;
  if (!first) return;
  const names = failures.map(({ name }) => name).join(' ');
  throw new RollbackError('failed', `${names} could not be made to run again: ${first.reason}`, {
    hint: `look at the engine, then: docker unpause ${names}`,
  });
}

/** A process that makes containers run again when its standard input ends without a word. Started early: that takes a while. */
export class Watchdog {
  readonly #child = spawn(process.execPath, [WATCHDOG], {
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  });
  readonly #ended = once(this.#child, 'exit');
  #guarding = false;

  constructor() {
    // It may end early: told by whoever writes or waits.
    this.#child.stdin.on('error', () => undefined);
    this.#ended.catch(() => undefined);
  }

  /** It knows what to do when this returns. Throws `failed` when it does not start. */
  async guard({ endpoint }: Workspace, { path, containers }: Hold): Promise<void> {
    const { stdin, stdout } = this.#child;
    this.#guarding = true;
    const ready = once(stdout, 'data');
    stdin.write(`${JSON.stringify({ endpoint, containers, note: path })}\n`);
    if (await Promise.race([ready, this.#ended.then(() => undefined)])) return;
    throw new RollbackError('failed', 'the watchdog that unpauses services after a crash does not start', {
      hint: `see that \`node ${WATCHDOG}\` can run; nothing was paused`,
    });
  }

  /** Once the containers run again. */
  async dismiss(): Promise<void> {
    this.#child.stdin.end('done\n');
    this.#guarding = false;
    await Promise.allSettled([this.#ended]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What still waits for it could not be made to run again: it tries, too. Else it has nothing to guard, or is gone.
    if (this.#guarding) this.#child.stdin.end();
    else this.#child.kill('SIGKILL');
    await Promise.allSettled([this.#ended]);
  }
}

/** Takes away what was cloned beside these directories. */
export async function discardClones({ run, paths }: Clones): Promise<void> {
  const { HostDriver } = await import('../volumes/host.js');
  const host = new HostDriver();
  for (const path of paths) await host.discard({ kind: 'bind', name: path, path }, run, 'clone');
}

/** Makes everything run again that killed processes left paused or stopped, and takes their helpers and clones away. Returns how many containers it were. */
export async function releaseDeadHolds({ engine, store }: Workspace): Promise<number> {
  for (const { id, owner } of await engine.helpers()) {
    if ((await isAlive(owner)) === false) await engine.removeHelper(id);
  }
  const notes = await deadHolds(store.dir);
  for (const note of notes) {
    for (const id of note.containers) if (await engine.container(id)) await engine.start(id);
    if (note.clones) await discardClones(note.clones);
    await dropHold(note);
  }
  return notes.reduce((sum, { containers }) => sum + containers.length, 0);
}
