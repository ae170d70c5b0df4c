import type { AnyOperation } from '../../index.js';
import { printable } from '../text.js';

/** An operation while it goes (`Stopping api, redis`) and when it is done (`Stopped api, redis`). */
export interface Wording {
  doing: string;
  done: string;
}

export function wordingOf(operation: AnyOperation): Wording {
  const [doing, done, rest] = wording(operation);
  return { doing: printable(`${doing} ${rest}`), done: printable(`${done} ${rest}`) };
}

function wording(operation: AnyOperation): [doing: string, done: string, what: string] {
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
    case 'disconnect':
      return [
        'Disconnecting',
        'Disconnected',
        `${[...operation.services, ...operation.containers].join(', ')} from network ${operation.network}`,
      ];
    case 'remove-network':
      return ['Removing', 'Removed', `network ${operation.network}`];
    case 'connect':
      return [
        'Connecting',
        'Connected',
        `${operation.service ?? operation.container ?? ''} to network ${operation.network}`,
      ];
    case 'start':
      return ['Starting', 'Started', operation.services.join(', ')];
    case 'reload':
      return ['Reloading', 'Reloaded', operation.service];
    case 'settle':
      return ['Waiting for', 'Waited for', `${operation.service} to settle`];
    case 'verify':
      return ['Verifying', 'Verified', operation.service];
    case 'carry-image':
      return ['Carrying', 'Carried', `image ${operation.ref} over`];
    case 'carry-volume':
      return ['Copying', 'Copied', `the data of ${operation.volume}`];
    case 'hold-source':
      return ['Keeping', 'Kept', 'the source from starting by itself'];
    case 'stop-source':
      return ['Stopping', 'Stopped', `${operation.services.join(', ')} at the source`];
    case 'sync-volume':
      return ['Comparing', 'Compared', `the data of ${operation.volume}, and what changed is copied`];
    case 'release-target':
      return ['Giving', 'Gave', 'the target its restart policies back'];
    case 'start-target':
      return ['Starting', 'Started', `${operation.services.join(', ')} at the target`];
    case 'keep-replaced':
      return ['Archiving', 'Archived', `the replaced data of ${operation.volume}`];
    case 'discard-parked':
      return ['Cleaning', 'Cleaned', `up beside ${operation.volume}`];
    case 'unswap-volume':
      return ['Returning', 'Returned', `${operation.volume} to its own data`];
    case 'start-source':
      return ['Starting', 'Started', `${operation.services.join(', ')} at the source`];
    case 'return-target':
      return ['Returning', 'Returned', 'the target to its safety point'];
    case 'hold-target':
      return ['Keeping', 'Kept', 'the target from starting by itself'];
    case 'remove-volume':
      return ['Removing', 'Removed', `volume ${operation.volume} from the target`];
  }
}
