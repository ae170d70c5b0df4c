import type { MoveOperation, MovePlan } from './move.js';
import type { Operation, Plan } from './plan.js';
import type { Verdict } from './verdict.js';

export type AnyOperation = Operation | MoveOperation;

/** What a long operation tells while it goes: the one stream behind spinners, plain lines and `--json`. */
export type RollbackEvent =
  | {
      type: 'phase';
      phase: 'observe' | 'plan' | 'data' | 'safety' | 'apply' | 'verify' | 'return';
      message: string;
    }
  | { type: 'plan'; plan: Plan }
  | { type: 'move-plan'; plan: MovePlan }
  | { type: 'safety-point'; id: string; run: string }
  | { type: 'operation'; state: 'doing'; step: number; total: number; operation: AnyOperation }
  | {
      type: 'operation';
      state: 'done';
      step: number;
      total: number;
      operation: AnyOperation;
      note: string | null;
    }
  | {
      type: 'operation';
      state: 'failed';
      step: number;
      total: number;
      operation: AnyOperation;
      error: string;
    }
  /** Of a long copy: bytes so far, of so many as are known. */
  | { type: 'bytes'; what: string; done: number; total: number | null }
  | { type: 'progress'; service: string; message: string }
  | { type: 'verdict'; service: string; verdict: Verdict }
  | { type: 'warning'; message: string };

export type EventSink = (event: RollbackEvent) => void;
