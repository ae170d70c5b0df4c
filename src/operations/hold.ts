import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { messageOf, RollbackError } from '../model/errors.js';
import type { Container } from '../model/engine.js';
import { deadHolds, dropHold, writeHold, type Clones, type Hold } from '../store/holds.js';
import { isAlive } from '../store/process.js';
import { HostDriver } from '../volumes/host.js';
import { namespaceOf } from './data.js';
import type { Workspace } from '../session/workspace.js';

/** Valid from `src/operations/` and from `dist/chunks/`. */
const WATCHDOG = fileURLToPath(new URL('../../dist/watchdog.js', import.meta.url));

export interface Held {
  container: Container;
  how: 'pause' | 'stop';
}

/**
 * Keeps containers from writing while `act` reads. Whatever happens they run again afterwards: by us, by a watchdog when we are killed, or, should
 * that be killed too, by the next command, which finds the note. Throws `failed` when one of them cannot be made to run again.
 */
export async function holding<T>(workspace: Workspace, held: Held[], act: () => Promise<T>): Promise<T> {
  if (held.length === 0) return await act();
  const { engine, store } = workspace;
  const note = await writeHold(
    store.dir,
    held.map(({ container }) => container.id),
  );
  await using watchdog = await startWatchdog(workspace, note);
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
    watchdog.dismiss();
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

/**
 * A shell that waits, which costs next to nothing. When its input ends without the word "done" it starts the program that makes containers run again:
 * when we are killed, and when we could not do it ourselves.
 */
async function startWatchdog({ endpoint }: Workspace, { path, containers }: Hold) {
  const wait = 'read -r what; read -r word; [ "$word" = done ] || printf %s "$what" | "$@"';
  const child = spawn('/bin/sh', ['-c', wait, 'sh', process.execPath, WATCHDOG], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  const ended = once(child, 'exit');
  const { stdin } = child;
  stdin.on('error', () => undefined); // Somebody ended it; the note is still there.
  try {
    await once(child, 'spawn');
  } catch (thrown) {
    await ended.catch(() => undefined);
    throw new RollbackError('failed', 'the watchdog that unpauses services after a crash does not start', {
      hint: 'see that /bin/sh can run; nothing was paused',
      cause: thrown,
    });
  }
  stdin.write(`${JSON.stringify({ endpoint, containers, note: path })}\n`);
  return {
    /** Once the containers run again. */
    dismiss: () => void stdin.write('done\n'),
    [Symbol.asyncDispose]: async () => {
      stdin.end();
      await ended;
    },
  };
}

/** Takes away what was cloned beside these directories. */
export async function discardClones({ identity }: Workspace, { run, paths }: Clones): Promise<void> {
  const host = new HostDriver();
  const namespace = namespaceOf(identity);
  for (const path of paths)
    await host.discard({ kind: 'bind', name: path, path, ...namespace }, run, 'clone');
}

/** Makes everything run again that killed processes left paused or stopped, and takes their helpers and clones away. Returns how many containers it were. */
export async function releaseDeadHolds(workspace: Workspace): Promise<number> {
  const { engine, store } = workspace;
  for (const { id, owner } of await engine.helpers()) {
    if ((await isAlive(owner)) === false) await engine.removeHelper(id);
  }
  const notes = await deadHolds(store.dir);
  for (const note of notes) {
    for (const id of note.containers) if (await engine.container(id)) await engine.start(id);
    if (note.clones) await discardClones(workspace, note.clones);
    await dropHold(note);
  }
  return notes.reduce((sum, { containers }) => sum + containers.length, 0);
}
