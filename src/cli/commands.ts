import type { Command } from 'commander';
import type { Session } from './session.js';

/** All commands. Each has a file of its own in `commands/`, loaded when it is called. */

export interface CommandModule {
  /** Adds arguments, options and the action to a command that has its name and description. */
  define(command: Command, session: () => Session): void;
}

export interface CommandEntry {
  name: string;
  alias?: string;
  summary: string;
  group: string;
  load: () => Promise<CommandModule>;
}

const POINTS = 'Points:';
const BACK = 'Going back:';
const CARE = 'Care:';

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'create',
    alias: 'snapshot',
    summary: 'record what runs as a rollback point',
    group: POINTS,
    load: () => import('./commands/create.js'),
  },
  {
    name: 'list',
    summary: 'list the points, newest first',
    group: POINTS,
    load: () => import('./commands/list.js'),
  },
  {
    name: 'show',
    summary: 'show what a point holds',
    group: POINTS,
    load: () => import('./commands/show.js'),
  },
  {
    name: 'diff',
    summary: 'compare a point with another, or the present',
    group: POINTS,
    load: () => import('./commands/diff.js'),
  },
  {
    name: 'status',
    summary: 'show what runs and what changed since',
    group: POINTS,
    load: () => import('./commands/status.js'),
  },
  {
    name: 'rollback',
    summary: 'bring the project back to a point',
    group: BACK,
    load: () => import('./commands/rollback.js'),
  },
  {
    name: 'quick-rollback',
    summary: 'bring the project back to the newest point',
    group: BACK,
    load: () => import('./commands/quick-rollback.js'),
  },
  {
    name: 'rollback-service',
    summary: 'bring one service back to an earlier image',
    group: BACK,
    load: () => import('./commands/rollback-service.js'),
  },
  { name: 'undo', summary: 'take a rollback back', group: BACK, load: () => import('./commands/undo.js') },
  {
    name: 'resume',
    summary: 'finish a rollback that was killed',
    group: BACK,
    load: () => import('./commands/resume.js'),
  },
  {
    name: 'abort',
    summary: 'take a killed rollback back',
    group: BACK,
    load: () => import('./commands/abort.js'),
  },
  {
    name: 'runs',
    summary: 'list rollbacks and undos',
    group: BACK,
    load: () => import('./commands/runs.js'),
  },
  {
    name: 'init',
    summary: 'write a commented rollback.yaml to edit',
    group: CARE,
    load: () => import('./commands/init.js'),
  },
  {
    name: 'pin',
    summary: 'keep a point whatever its age',
    group: CARE,
    load: () => import('./commands/pin.js'),
  },
  {
    name: 'unpin',
    summary: 'let a pinned point go when it is old',
    group: CARE,
    load: () => import('./commands/unpin.js'),
  },
  { name: 'delete', summary: 'delete points', group: CARE, load: () => import('./commands/delete.js') },
  { name: 'cleanup', summary: 'delete old points', group: CARE, load: () => import('./commands/cleanup.js') },
  {
    name: 'verify',
    summary: 'check what is stored for damage',
    group: CARE,
    load: () => import('./commands/verify.js'),
  },
  {
    name: 'export',
    summary: 'write a point as one file, for another machine',
    group: CARE,
    load: () => import('./commands/export.js'),
  },
  {
    name: 'import',
    summary: 'read a point that export wrote',
    group: CARE,
    load: () => import('./commands/import.js'),
  },
  {
    name: 'reindex',
    summary: 'make the index again from the points',
    group: CARE,
    load: () => import('./commands/reindex.js'),
  },
  {
    name: 'history',
    summary: 'show who did what, when, and how it ended',
    group: CARE,
    load: () => import('./commands/history.js'),
  },
  {
    name: 'schema',
    summary: "print the JSON Schema of a command's output",
    group: CARE,
    load: () => import('./commands/schema.js'),
  },
  {
    name: 'completion',
    summary: 'print a script for bash, zsh or fish',
    group: CARE,
    load: () => import('./commands/completion.js'),
  },
];

export function findEntry(name: string): CommandEntry | undefined {
  return COMMANDS.find((entry) => entry.name === name || entry.alias === name);
}
