/** Everything that `Access` needs besides the index, loaded in one go. */
export { holdLocks, retryWhileLocked } from '../session/lock.js';
export { openWorkspace } from '../session/open.js';
export { settleBackupPlace } from '../session/settle-place.js';
export { prefetchModel } from '../session/workspace.js';
export { findRelocation } from './relocation.js';
export { endLeftoverChildren, settleLeftovers } from './settle.js';
