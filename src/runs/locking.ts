/** What taking a lock needs, loaded in one go by the commands that do. */
export { holdLocks, retryWhileLocked } from '../session/lock.js';
export { prefetchModel } from '../session/workspace.js';
export { endLeftoverChildren, settleLeftovers } from './settle.js';
