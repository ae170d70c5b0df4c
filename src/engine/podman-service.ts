import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { lstat, mkdir, open, readFile, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { RollbackError } from '../model/errors.js';
import type { Environment } from './endpoint.js';

/** Podman has no daemon: where no socket listens, its API is started for as long as somebody here needs it. */

/** Seconds after the last connection until the service ends by itself. */
const IDLE_SECONDS = 5;
const START_MS = 20_000;
const POLL_MS = 30;

/**
 * Starts `podman system service` for this process alone, and returns its socket's path: it would take over the socket of another. It runs while this process
 * does, however that ends, and ends by itself soon after. Throws `engine-unreachable` with Podman's words.
 */
export async function startPodmanService(program: string, env: Environment): Promise<string> {
  const folder = await serviceFolder(env);
  const path = join(folder, `podman-${process.pid}.sock`);
  const log = join(folder, `podman-${process.pid}.log`);
  const { service, ended } = await spawnService(program, env, path, log);
  const deadline = Date.now() + START_MS;
  try {
    while (!(await holdOpen(path))) {
      const over = await Promise.race([ended, delay(POLL_MS, false)]);
      if (!over && Date.now() < deadline) continue;
      if (!over) service.kill();
      const words = (await readFile(log, 'utf8')).trim().split('\n').at(-1);
      throw new RollbackError(
        'engine-unreachable',
        `Podman's API does not start: ${words || 'it says nothing'}`,
        { hint: 'see that `podman info` works' },
      );
    }
  } finally {
    await rm(log);
  }
  service.unref();
  return path;
}

/** Its words go to a file and not to a pipe: it may say something when we are gone. Its end is listened for at once: it may come before the file is closed. */
async function spawnService(
  program: string,
  env: Environment,
  path: string,
  log: string,
): Promise<{ service: ChildProcess; ended: Promise<boolean> }> {
  await using words = await open(log, 'w', 0o600);
  const argv = ['system', 'service', `--time=${IDLE_SECONDS}`, `unix://${path}`];
  const service = spawn(program, argv, { env, detached: true, stdio: ['ignore', 'ignore', words.fd] });
  const over = () => true;
  return { service, ended: once(service, 'exit').then(over, over) };
}

/** A folder that only this user can enter. */
async function serviceFolder({ XDG_RUNTIME_DIR: own }: Environment): Promise<string> {
  const user = process.getuid?.() ?? 0;
  const base = own || (user === 0 ? '/run' : tmpdir());
  const folder = join(base, own || user === 0 ? 'compose-rollback' : `compose-rollback-${user}`);
  await mkdir(folder, { mode: 0o700, recursive: true });
  const { uid, mode } = await lstat(folder);
  if (uid === user && (mode & 0o022) === 0) return folder;
  throw new RollbackError('unsafe', `${folder}, where Podman's socket would be, can be written by others`, {
    hint: 'remove it and look at who put it there',
  });
}

/** An open question keeps the service from ending; a process that ends closes it. False when nobody listens, or answers in time. */
function holdOpen(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ path, timeout: START_MS });
    socket.once('timeout', () => socket.destroy());
    socket.once('data', (answer) => {
      if (!answer.toString('latin1').startsWith('HTTP/1.1 200')) return void socket.destroy();
      socket.setTimeout(0);
      socket.unref();
      resolve(true);
    });
    socket.once('close', () => resolve(false));
    socket.on('error', () => undefined); // `close` follows.
    socket.write('GET /events HTTP/1.1\r\nHost: podman\r\n\r\n');
    socket.resume();
  });
}

/** Undefined when somebody listens on the socket, else the system's error code. */
export function knock(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}
