import { describe, type Operation } from '../../index.js';
import { printable } from '../text.js';

/** An operation while it goes: `Stopping api, redis`. */
export function doing(operation: Operation): string {
  return printable(wording(operation));
}

function wording(operation: Operation): string {
  switch (operation.kind) {
    case 'prepare':
      return `Preparing ${operation.service}`;
    case 'hook':
      return `Running the hook ${operation.phase} rollback of ${operation.service}: ${operation.what}`;
    case 'checkout':
      return `Checking out ${operation.commit.slice(0, 8)}`;
    case 'stop':
      return `Stopping ${operation.services.join(', ')}`;
    case 'remove':
      return `Removing the containers of ${operation.services.join(', ')}`;
    case 'restore-file':
    case 'restore-link':
    case 'restore-directory':
      return `Restoring ${operation.path}`;
    case 'remove-file':
      return `Removing ${operation.path}`;
    case 'up':
      return `${operation.start ? 'Starting' : 'Creating'} ${operation.services.join(', ')}`;
    case 'start':
      return `Starting ${operation.services.join(', ')}`;
    case 'reload':
      return `Reloading ${operation.service}`;
    case 'settle':
      return `Letting ${operation.service} settle`;
    case 'verify':
      return `Verifying ${operation.service}`;
    case 'retag':
      return `${operation.ref}: ${describe(operation)}`;
  }
}
