/// <reference types="node" preserve="true" />
/** The library's public face. */
import type { Documents } from './model/documents.js';

export { RollbackManager } from './manager.js';
export type { BackupDirReport, ConfirmDeletion, ListRequest } from './manager.js';
export type { BackupDirMove } from './session/move-place.js';
export { Migration } from './migration.js';
export type { FinalizeReport, FinalizeRequest, Leftovers } from './migrate/move/finalize.js';
export type { MoveOutcome } from './migrate/move/move.js';
export type { BackOptions, MoveOptions } from './options.js';
export type { RollbackOptions, UndoOptions } from './runs/options.js';
export type { ManagerOptions } from './session/options.js';
export { getServiceRollback } from './service-rollback.js';
export type { ServiceRollback } from './service-rollback.js';
export { RollbackError, messageOf } from './model/errors.js';
export type { ErrorCode } from './model/errors.js';
export { fail, inconclusive, pass } from './model/verdict.js';
export type { Verdict } from './model/verdict.js';
export { ENGINE_NAMES, parsePointKind, POINT_KINDS } from './model/names.js';
export type { PointKind } from './model/names.js';
export { VERSION } from './model/version.js';
export type { Documents } from './model/documents.js';
export type { AnyOperation, RollbackEvent, EventSink } from './model/events.js';
export type { MoveKind, MovePlan } from './model/move.js';
export type { Operation, Plan, Remark } from './model/plan.js';
export { SCENARIOS } from './model/recovery.js';
export type { Scenario } from './model/recovery.js';
export type { Point, PointSummary } from './model/point.js';
export type { AuditRecord, RunOutcome, RunSummary } from './model/run.js';
export type { Container, Image } from './model/engine.js';
export type { Engine } from './engine/engine.js';
export type { Handler, HandlerContext, MountedFile } from './handlers/handler.js';
export type { BackupReport, BackupRequest } from './migrate/backup/backup.js';
export type { Diagnosis, Finding } from './migrate/diagnose/finding.js';
export type { Recovery, RecoverRequest } from './migrate/recover/recovery.js';
export type { CreateRequest } from './points/create.js';
export type { Difference } from './points/diff.js';
export type { DrillReport } from './points/drill.js';
export type { CleanupRequest } from './points/remove.js';
export type { Status } from './points/status.js';
export type { Verification } from './points/verify.js';
export type { ExportReport } from './points/export.js';
export type { ImportReport, ImportRequest } from './points/import.js';
export type { QuadletReport, QuadletRequest } from './migrate/quadlet/files.js';
export type { ValidateRequest } from './migrate/validate/validate.js';
export type { Check, Grade, Readiness } from './model/readiness.js';
export type { InitReport } from './points/init.js';
export type { RollbackOutcome } from './rollback/rollback.js';
export type { PointLine } from './store/index-db.js';
export type { StoreUsage } from './store/usage.js';
export type { ReindexReport } from './store/reindex.js';
export { describe } from './plan/render.js';
export { renderPlan, renderResult, renderWarning, resultDocument } from './kinds.js';
export { leftToDo, renderReadiness } from './migrate/validate/report.js';
export { aged, ageOf, bytes, isInFuture, plural, utc } from './plan/text.js';

/** Names and JSON Schemas of the documents that the command line prints. Loaded when asked for: schemas cost start-up time. */
export const loadDocuments = (): Promise<Documents> => import('./model/documents.js');
