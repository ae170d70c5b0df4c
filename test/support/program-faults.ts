import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { processStart } from '../../src/store/process.js';

/** What goes wrong with a call of podman-compose, or with one of Podman that this makes: what a proxy does to requests, for what no proxy sees. */
export const PROGRAM_FAULTS = [
  /** Does nothing, and fails. */
  'failed',
  /** Does nothing, and ends well. */
  'idle',
  /** Is killed before it does anything. */
  'killed',
  /** Does all, and is killed before it says so. */
  'unanswered',
  /** Does all, and the second half of its answer is missing. */
  'halved',
  /** podman-compose is killed, and what it called works on without it. */
  'orphaned',
] as const;

export type ProgramFault = (typeof PROGRAM_FAULTS)[number] | 'hanging';

export interface FaultyPrograms {
  /** For a run whose podman-compose and Podman these are. */
  env: Record<string, string>;
  /** From now on the calls of these numbers (from 1) meet the fault; without one all is well. Calls are counted anew. */
  arm(fault?: ProgramFault, ...at: number[]): Promise<void>;
  /** Calls since they were armed: the program and its command. */
  calls(): Promise<string[]>;
  /** The process that hangs; undefined when none does. */
  hanging(): Promise<number | undefined>;
  remove(): Promise<void>;
}

const PROGRAM = fileURLToPath(new URL('faulty-program.sh', import.meta.url));

/** Stands in front of these programs, given by name. */
export async function faultyPrograms(real: Record<string, string>): Promise<FaultyPrograms> {
  const directory = await mkdtemp(join(tmpdir(), 'faulty-programs-'));
  await mkdir(join(directory, 'real'));
  for (const [name, path] of Object.entries(real)) {
    await symlink(path, join(directory, 'real', name));
    await copyFile(PROGRAM, join(directory, name));
    await chmod(join(directory, name), 0o755);
  }
  const calls = join(directory, 'calls');
  const hanging = async () => {
    const pid = Number(await readFile(join(directory, 'hanging'), 'utf8').catch(() => '0'));
    return pid > 0 && (await processStart(pid)) !== undefined ? pid : undefined;
  };
  return {
    env: {
      PATH: `${directory}:${process.env['PATH']}`,
      COMPOSE_ROLLBACK_PROVIDER: join(directory, 'podman-compose'),
    },
    async arm(fault, ...at) {
      await writeFile(join(directory, 'fault'), `${[fault ?? 'none', ...at].join(' ')}\n`);
      await writeFile(calls, '');
    },
    calls: async () => (await readFile(calls, 'utf8')).split('\n').slice(0, -1),
    hanging,
    async remove() {
      const left = await hanging();
      if (left !== undefined) process.kill(left);
      await rm(directory, { recursive: true });
    },
  };
}
