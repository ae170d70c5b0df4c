import type { Command } from 'commander';
import { define as abort } from './commands/abort.js';
import { define as backupDir } from './commands/backup-dir.js';
import { define as cleanup } from './commands/cleanup.js';
import { define as completion } from './commands/completion.js';
import { define as create } from './commands/create.js';
import { define as remove } from './commands/delete.js';
import { define as diff } from './commands/diff.js';
import { define as exporting } from './commands/export.js';
import { define as history } from './commands/history.js';
import { define as importing } from './commands/import.js';
import { define as init } from './commands/init.js';
import { define as list } from './commands/list.js';
import { define as migrate } from './commands/migrate.js';
import { define as pin } from './commands/pin.js';
import { define as quickRollback } from './commands/quick-rollback.js';
import { define as reindex } from './commands/reindex.js';
import { define as resume } from './commands/resume.js';
import { define as rollback } from './commands/rollback.js';
import { define as rollbackService } from './commands/rollback-service.js';
import { define as runs } from './commands/runs.js';
import { define as schema } from './commands/schema.js';
import { define as show } from './commands/show.js';
import { define as status } from './commands/status.js';
import { define as undo } from './commands/undo.js';
import { define as unpin } from './commands/unpin.js';
import { define as verify } from './commands/verify.js';
import type { Session } from './session.js';

/** All commands. Each has a file of its own in `commands/`. */

export interface CommandEntry {
  name: string;
  alias?: string;
  summary: string;
  group: string;
  /** Adds arguments, options and the action to a command that has its name and description. */
  define: (command: Command, session: () => Session) => void;
}

const POINTS = 'Points:';
const BACK = 'Going back:';
const CARE = 'Care:';
const MOVE = 'Between Docker and Podman:';

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'create',
    alias: 'snapshot',
    summary: 'record what runs as a rollback point',
    group: POINTS,
    define: create,
  },
  {
    name: 'list',
    summary: 'list the points, newest first',
    group: POINTS,
    define: list,
  },
  {
    name: 'show',
    summary: 'show what a point holds',
    group: POINTS,
    define: show,
  },
  {
    name: 'diff',
    summary: 'compare a point with another, or the present',
    group: POINTS,
    define: diff,
  },
  {
    name: 'status',
    summary: 'show what runs and what changed since',
    group: POINTS,
    define: status,
  },
  {
    name: 'rollback',
    summary: 'bring the project back to a point',
    group: BACK,
    define: rollback,
  },
  {
    name: 'quick-rollback',
    summary: 'bring the project back to the latest point',
    group: BACK,
    define: quickRollback,
  },
  {
    name: 'rollback-service',
    summary: 'bring one service back to an earlier image',
    group: BACK,
    define: rollbackService,
  },
  { name: 'undo', summary: 'take a rollback back', group: BACK, define: undo },
  {
    name: 'resume',
    summary: 'finish a rollback that was killed',
    group: BACK,
    define: resume,
  },
  {
    name: 'abort',
    summary: 'take a killed rollback back',
    group: BACK,
    define: abort,
  },
  {
    name: 'runs',
    summary: 'list rollbacks and undos',
    group: BACK,
    define: runs,
  },
  {
    name: 'init',
    summary: 'write a commented rollback.yaml to edit',
    group: CARE,
    define: init,
  },
  {
    name: 'pin',
    summary: 'keep a point whatever its age',
    group: CARE,
    define: pin,
  },
  {
    name: 'unpin',
    summary: 'let a pinned point go when it is old',
    group: CARE,
    define: unpin,
  },
  { name: 'delete', summary: 'delete points', group: CARE, define: remove },
  { name: 'cleanup', summary: 'delete old points', group: CARE, define: cleanup },
  {
    name: 'verify',
    summary: 'check what is stored for damage',
    group: CARE,
    define: verify,
  },
  {
    name: 'export',
    summary: 'write a point as one file, for another machine',
    group: CARE,
    define: exporting,
  },
  {
    name: 'import',
    summary: 'read a point that export wrote',
    group: CARE,
    define: importing,
  },
  {
    name: 'reindex',
    summary: 'make the index again from the points',
    group: CARE,
    define: reindex,
  },
  {
    name: 'backup-dir',
    summary: 'show where the points are, or move them',
    group: CARE,
    define: backupDir,
  },
  {
    name: 'history',
    summary: 'show who did what, when, and how it ended',
    group: CARE,
    define: history,
  },
  {
    name: 'schema',
    summary: "print the JSON Schema of a command's output",
    group: CARE,
    define: schema,
  },
  {
    name: 'completion',
    summary: 'print a script for bash, zsh or fish',
    group: CARE,
    define: completion,
  },
  {
    name: 'migrate',
    summary: 'back up, check, move and recover a project',
    group: MOVE,
    define: migrate,
  },
];

export function findEntry(name: string): CommandEntry | undefined {
  return COMMANDS.find((entry) => entry.name === name || entry.alias === name);
}
