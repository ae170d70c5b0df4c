import { execFileSync } from 'node:child_process';
import { accessSync, chownSync, constants, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { beforeEach } from 'vitest';

/**
 * What single tests need beside Node, `npm ci`, git and a shell with the usual small tools. They are skipped where it is missing, and say
 * why; with `NO_SKIPS=yes`, for a machine that should have everything, they fail instead.
 */

const PROGRAMS = [
  'bash',
  'find',
  'fish',
  'getfattr',
  'gzip',
  'mkfs.xfs',
  'script',
  'setfacl',
  'setfattr',
  'tar',
  'zsh',
  'zstd',
] as const;

type Ability = 'root' | 'mount' | 'docker compose';

const ABILITIES: Record<Ability, () => unknown> = {
  /** To give files to any user, and to read those of all. */
  root: () => inFolder((folder) => chownSync(folder, 4_000_000_000, 70_000)),
  /** To mount, which root in a container seldom can. */
  mount: () =>
    inFolder((folder) => {
      execFileSync('mount', ['-t', 'tmpfs', 'none', folder], { stdio: 'ignore' });
      execFileSync('umount', [folder]);
    }),
  'docker compose': () => execFileSync('docker', ['compose', 'version'], { stdio: 'ignore' }),
};

export type Need = (typeof PROGRAMS)[number] | Ability;

const known = new Map<Need, boolean>();

/** Is one of these missing on this machine? */
export function isMissing(...needs: Need[]): boolean {
  return missing(needs).length > 0;
}

/** Skips the tests of this file, or of the `describe` around, where one of these is missing. */
export function skipWithout(...needs: Need[]): void {
  const reason = `this machine has no ${missing(needs).join(', ')}`;
  beforeEach(({ skip }) => skip(isMissing(...needs), reason));
}

/** Tells once for a whole run what is missing. */
export default function reportMissing(): void {
  const found = missing([...PROGRAMS, 'root', 'mount', 'docker compose']);
  if (found.length > 0)
    console.warn(`This machine has no ${found.join(', ')}: tests that need them are skipped.`);
}

function missing(needs: Need[]): Need[] {
  const found = needs.filter((need) => !has(need));
  if (found.length > 0 && process.env['NO_SKIPS'] !== undefined) {
    throw new Error(`this machine has no ${found.join(', ')}, and NO_SKIPS forbids to skip tests`);
  }
  return found;
}

function has(need: Need): boolean {
  const answer = known.get(need) ?? succeeds(isAbility(need) ? ABILITIES[need] : () => findProgram(need));
  known.set(need, answer);
  return answer;
}

function isAbility(need: Need): need is Ability {
  return need in ABILITIES;
}

function succeeds(probe: () => unknown): boolean {
  try {
    probe();
    return true;
  } catch {
    return false;
  }
}

function findProgram(name: string): void {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  if (!folders.some((folder) => succeeds(() => accessSync(join(folder, name), constants.X_OK))))
    throw new Error(`no ${name}`);
}

function inFolder(act: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'needs-'));
  try {
    act(folder);
  } finally {
    rmdirSync(folder);
  }
}
