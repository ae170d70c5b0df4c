/** The library's public face. */
export { RollbackManager } from './manager.js';
export type { ConfirmDeletion, ListRequest, RollbackOptions } from './manager.js';
export { Migration } from './migration.js';
export type { ManagerOptions } from './options.js';
export { getServiceRollback } from './service-rollback.js';
export type { ServiceRollback } from './service-rollback.js';
export { RollbackError, messageOf } from './model/errors.js';
export type { ErrorCode } from './model/errors.js';
export { fail, inconclusive, pass } from './model/verdict.js';
export type { Verdict } from './model/verdict.js';
export { VERSION } from './model/version.js';
export type { RollbackEvent, EventSink } from './model/events.js';
export type { Operation, Plan, Remark } from './model/plan.js';
export type { Point, PointKind, PointSummary } from './model/point.js';
export type { AuditRecord, RunSummary } from './model/run.js';
export type { Container, Image } from './model/engine.js';
export type { Engine } from './engine/engine.js';
export type { Handler, HandlerContext, MountedFile } from './handlers/handler.js';
export type { BackupReport, BackupRequest } from './migrate/backup.js';
export type { Diagnosis, Finding } from './migrate/finding.js';
export type { CreateRequest } from './points/create.js';
export type { Difference } from './points/diff.js';
export type { DrillReport } from './points/drill.js';
export type { CleanupRequest } from './points/remove.js';
export type { Status } from './points/status.js';
export type { Verification } from './points/verify.js';
export type { ExportReport } from './points/export.js';
export type { ImportReport, ImportRequest } from './points/import.js';
export type { InitReport } from './points/init.js';
export type { RollbackOutcome } from './rollback/rollback.js';
export type { PointLine } from './store/index-db.js';
export type { StoreUsage } from './store/usage.js';
export type { ReindexReport } from './store/reindex.js';
export { describe, renderPlan } from './plan/render.js';
export { ageOf, bytes, plural } from './plan/text.js';

/** Names and JSON Schemas of the documents that the command line prints. Loaded when asked for: schemas cost start-up time. */
export const loadDocuments = () => import('./model/documents.js');
