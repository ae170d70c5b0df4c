import type { MoveKind } from '../../model/move.js';

/** Names of the kinds of runs that take a project to another engine. No schema library here: `list` loads this. */
export const MOVE_KINDS: readonly MoveKind[] = ['to-podman', 'to-docker'];

export const isMoveKind = (kind: string): kind is MoveKind => MOVE_KINDS.some((name) => name === kind);

export const OPPOSITE: Record<MoveKind, MoveKind> = { 'to-podman': 'to-docker', 'to-docker': 'to-podman' };
