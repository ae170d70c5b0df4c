/** Names of the kinds of runs that lead to a point on one engine. No schema library here: `list` loads this. */
export const ROLLBACK_KINDS = ['rollback', 'undo', 'service'] as const;
export type RollbackKind = (typeof ROLLBACK_KINDS)[number];
