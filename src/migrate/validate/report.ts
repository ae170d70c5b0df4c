import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { RollbackError } from '../../model/errors.js';
import { quoted } from '../../model/names.js';
import { CATEGORIES, type Category, type Check, type Grade, type Readiness } from '../../model/readiness.js';
import { plural } from '../../plan/text.js';
import { hasCode, isDenied } from '../../project/paths.js';

/** What a person reads of the readiness of a project. */

export const REPORT_FILE = 'migration-prerequisites-report.txt';

export interface Rendering {
  /** Why, and what to write instead; and the checks that came out well. */
  detailed: boolean;
  /** Puts a colour to a mark. */
  paint: (grade: Grade, text: string) => string;
  /** Makes text from outside fit to print. */
  printable: (text: string) => string;
}

const TITLES: Readonly<Record<Category, string>> = {
  system: 'System',
  docker: 'Docker',
  podman: 'Podman',
  permissions: 'File permissions',
  network: 'Network',
  security: 'Security',
  backup: 'Backup',
};

const MARKS: Readonly<Record<Grade, string>> = { ok: '✓', note: '·', warning: '!', critical: '✗' };

const OF_VERDICT: Readonly<Record<Readiness['verdict'], Grade>> = {
  READY: 'ok',
  'READY WITH WARNINGS': 'warning',
  'NOT READY': 'critical',
};

export function renderReadiness(readiness: Readiness, rendering: Rendering): string[] {
  const { project, verdict, target, checks } = readiness;
  const { paint, printable } = rendering;
  const { podman, rootless, provider } = target;
  const place = podman === null ? 'Podman' : `Podman ${podman}, ${rootless ? 'rootless' : 'rootful'}`;
  return [
    `${printable(project)}: from Docker to ${place}${provider === null ? '' : `, with ${provider}`}`,
    ...CATEGORIES.flatMap((category) => [
      '',
      ...renderCategory(
        TITLES[category],
        checks.filter((check) => check.category === category),
        rendering,
      ),
    ]),
    '',
    `${paint(OF_VERDICT[verdict], verdict)}: ${summary(checks)}`,
  ];
}

function renderCategory(title: string, checks: Check[], rendering: Rendering): string[] {
  const well = checks.filter(({ grade }) => grade === 'ok').length;
  const told = rendering.detailed ? checks : checks.filter(({ grade }) => grade !== 'ok');
  return [
    `${title}: ${well} of ${checks.length} well`,
    ...told.flatMap((check) => renderCheck(check, rendering)),
  ];
}

function renderCheck(check: Check, { detailed, paint, printable }: Rendering): string[] {
  const { grade, service, finding, why, fix, rewrite, id } = check;
  const grave = grade === 'warning' || grade === 'critical';
  const further = [
    ...(detailed ? [`why: ${why}`] : []),
    ...(fix !== null && (grave || detailed) ? [`fix: ${fix}`] : []),
    ...(rewrite !== null && detailed ? [`write: ${rewrite}`] : []),
  ];
  const what = `${service === null ? '' : `${service}: `}${finding}${detailed ? ` (${id})` : ''}`;
  return [
    `  ${paint(grade, MARKS[grade])} ${printable(what)}`,
    ...further.map((line) => `      ${printable(line)}`),
  ];
}

function summary(checks: Check[]): string {
  const count = (wanted: Grade) => checks.filter(({ grade }) => grade === wanted).length;
  const found = [
    [count('critical'), 'critical finding'],
    [count('warning'), 'warning'],
    [count('note'), 'note'],
  ] as const;
  const told = found.flatMap(([many, noun]) => (many > 0 ? [plural(many, noun)] : []));
  return told.length === 0 ? `all of ${plural(checks.length, 'check')} came out well` : told.join(', ');
}

/** What is left to do, once each. */
export function leftToDo({ checks }: Readiness): string[] {
  const grave = checks.filter(({ grade }) => grade === 'warning' || grade === 'critical');
  return [...new Set(grave.flatMap(({ fix }) => fix ?? []))];
}

const IN_A_FILE: Rendering = {
  detailed: true,
  paint: (_, text) => text,
  printable: (text) => text.replace(/\p{Cc}/gu, '?'),
};

/** Everything, as text, beside the compose files; where it is. An earlier one is written over, whatever else is called so is not. */
export async function writeReport(readiness: Readiness): Promise<string> {
  const path = join(readiness.directory, REPORT_FILE);
  const text = `${renderReadiness(readiness, IN_A_FILE).join('\n')}\n`;
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  try {
    await using file = await open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
    await file.writeFile(text);
  } catch (error) {
    if (hasCode(error, 'ELOOP', 'EISDIR')) {
      throw new RollbackError('unsafe', `${quoted(path)} is no file, and is not written over`, {
        hint: 'look at who put it there, and remove it',
        cause: error,
      });
    }
    if (!isDenied(error) && !hasCode(error, 'EROFS', 'ENOSPC')) throw error;
    throw new RollbackError('failed', `${quoted(path)} cannot be written`, {
      hint: 'look at the permissions of the project directory and the space left there',
      cause: error,
    });
  }
  return path;
}
