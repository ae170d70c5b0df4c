/** The store without its index, which `list` makes do with: what everything else loads, in one go. */
export { appendAudit, mirrorAudit } from './audit.js';
export { isCarriedOn, isEnded } from './journal.js';
export { isSealed, summaryOfRecord } from './point-files.js';
export {
  isSealedPoint,
  openStored,
  readPoint,
  readPointFacts,
  readPointModel,
  readRecord,
  removePoint,
  rewriteRecord,
  storedFiles,
} from './point-reader.js';
export { unrecordedFiles, verifyPoint } from './point-verify.js';
export { PointWriter } from './point-writer.js';
export { reconcile, reindex } from './reindex.js';
export { leftUnsealed, markUnsealed, sealPoint } from './seal.js';
export { StoreKey } from './store-key.js';
export { sweep } from './sweep.js';
export { storeUsage } from './usage.js';
