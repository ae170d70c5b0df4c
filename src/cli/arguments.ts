import { InvalidArgumentError, Option, type Command } from 'commander';
import { parseAge } from './text.js';

/** Options that several commands share, and how their values are read. */

/** `a,b`: throws commander's own error, which names the option. */
export function parseNames(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.every((name) => name !== '')) return [...new Set(names)];
  throw new InvalidArgumentError('Give names with commas between them.');
}

export function parseCount(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a whole number.');
}

/** In milliseconds. */
export function parseDuration(text: string): number {
  const age = parseAge(text);
  if (age !== undefined) return age;
  throw new InvalidArgumentError('Give an age such as 30d, 12h or 2w.');
}

export interface RunOptions {
  dryRun?: true;
  detailedExitcode?: true;
  return: boolean;
}

export function addRunOptions(command: Command): Command {
  return command
    .option('--dry-run', 'print the plan, change nothing')
    .option('--detailed-exitcode', 'with --dry-run: end with 5 when something would change')
    .option('--no-return', 'when something fails, do not bring the earlier state back');
}

export interface HealthyOptions {
  healthy?: true;
  withVolumes?: true;
}

export function addHealthyOptions(command: Command): Command {
  return command
    .option('--healthy', 'the newest point that is not known to be failing, without its volume data')
    .option('--with-volumes', 'with --healthy: restore its volume data too');
}

export interface ScopeOptions {
  services?: string[];
  configOnly?: true;
  volumes: boolean;
  outside?: true;
  git?: true;
  leaveTags?: true;
}

export function addScopeOptions(command: Command): Command {
  return command
    .addOption(new Option('--services <a,b>', 'only these services').argParser(parseNames))
    .option('--config-only', 'write the files, start nothing')
    .option('--no-volumes', 'leave volume data as it is')
    .option('--outside', 'restore the listed files outside the project too')
    .option('--git', 'check the commit of the point out, after stashing')
    .option('--leave-tags', 'let image tags point where they point today, for the sake of other projects');
}
