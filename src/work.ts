/** What the use-cases are made of: everything that `list` makes do without, loaded in one go. */
export { discoverEngine, isFound } from './engine/discovery.js';
export { connectEngine } from './engine/connect.js';
export { findProvider, providerOf } from './engine/providers.js';
export { HandlerRegistry } from './handlers/registry.js';
export { move } from './migrate/move/move.js';
export { finalize } from './migrate/move/finalize.js';
export { lastMove, newestBackup, readMovePlan, unfinishedMove, unpinMoves } from './migrate/move/last.js';
export { abortMove, rescueSource, resumeMove } from './migrate/move/resume.js';
export { verifyService } from './handlers/verify.js';
export { makeBackup, previewBackup } from './migrate/backup/backup.js';
export { diagnose, diagnoseAll } from './migrate/diagnose/diagnose.js';
export { prepareQuadlet } from './migrate/quadlet/files.js';
export { recoverPodman, recoverProject } from './migrate/recover/scenarios.js';
export { sourceOf, sourceOfFiles } from './migrate/source.js';
export { validate } from './migrate/validate/validate.js';
export { assertCreatable, createPoint } from './points/create.js';
export { differences, presentAsPoint } from './points/diff.js';
export { sweepDrills } from './points/drill-traces.js';
export { drillPoint } from './points/drill.js';
export { exportPoint } from './points/export.js';
export { findPoint, findTarget, openTarget } from './points/find.js';
export { importPoint, openArchive } from './points/import.js';
export { initProject } from './points/init.js';
export {
  assertNotNeeded,
  assertUnpinned,
  findAll,
  planCleanup,
  removePoint,
  untagPoint,
} from './points/remove.js';
export { readStatus } from './points/status.js';
export { verifyPoints } from './points/verify.js';
export { beginReading, readModel } from './project/reading.js';
export { prepare } from './rollback/prepare.js';
export { abortRun, assertFinished, findUnfinished, resumeRun } from './rollback/resume.js';
export { blockedByDamage, rollback } from './rollback/rollback.js';
export { serviceTarget } from './rollback/service.js';
export { assertSameEngine, findRun, findUndoable, keepFirst, reachOf } from './rollback/undo.js';
export { releaseDeadHolds } from './run/hold.js';
export { handlerContext, observePresent, withLabels } from './run/workspace.js';
export { acquireLock } from './store/lock.js';
