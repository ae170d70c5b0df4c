import type { Operation } from '../../index.js';
import { printable } from '../text.js';

/** An operation while it goes (`Stopping api, redis`) and when it is done (`Stopped api, redis`). */
export interface Wording {
  doing: string;
  done: string;
}

export function wordingOf(operation: Operation): Wording {
  const [doing, done, rest] = wording(operation);
  return { doing: printable(`${doing} ${rest}`), done: printable(`${done} ${rest}`) };
}

function wording(operation: Operation): [doing: string, done: string, what: string] {
  switch (operation.kind) {
    case 'prepare':
      return ['Preparing', 'Prepared', operation.service];
    case 'hook':
      return [
        'Running',
        'Ran',
        `hook ${operation.phase} rollback of ${operation.service}: ${operation.what}`,
      ];
    case 'checkout':
      return ['Checking out', 'Checked out', operation.commit.slice(0, 8)];
    case 'load-image':
      return ['Loading', 'Loaded', `image ${operation.ref}`];
    case 'pull-image':
      return ['Pulling', 'Pulled', operation.digest];
    case 'stage-volume':
      return ['Unpacking', 'Unpacked', `the data of ${operation.volume}`];
    case 'archive-volume':
      return ['Archiving', 'Archived', `the data of ${operation.volume}`];
    case 'restore-volume':
      return ['Restoring', 'Restored', `the data of ${operation.volume}`];
    case 'keep-volume':
      return ['Archiving', 'Archived', `the replaced data of ${operation.volume}`];
    case 'stop':
      return ['Stopping', 'Stopped', operation.services.join(', ')];
    case 'remove':
      return ['Removing', 'Removed', `the containers of ${operation.services.join(', ')}`];
    case 'restore-file':
    case 'restore-link':
    case 'restore-directory':
      return ['Restoring', 'Restored', operation.path];
    case 'remove-file':
      return ['Removing', 'Removed', operation.path];
    case 'retag':
      return ['Restoring', 'Restored', `image ${operation.ref}`];
    case 'up':
      return operation.start
        ? ['Starting', 'Started', operation.services.join(', ')]
        : ['Creating', 'Created', operation.services.join(', ')];
    case 'start':
      return ['Starting', 'Started', operation.services.join(', ')];
    case 'reload':
      return ['Reloading', 'Reloaded', operation.service];
    case 'settle':
      return ['Waiting for', 'Waited for', `${operation.service} to settle`];
    case 'verify':
      return ['Verifying', 'Verified', operation.service];
  }
}
