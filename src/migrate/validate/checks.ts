import type { Category, Check, Grade } from '../../model/readiness.js';

/** How checks that are not about the compose model are written down. */

/** A check, before it is known what it belongs to. */
export type Result = Pick<Check, 'id' | 'grade' | 'finding' | 'why' | 'fix'>;

export interface Problem {
  grade: Exclude<Grade, 'ok'>;
  finding: string;
  fix: string;
}

/** One check, and how it came out: `well`, unless there is a problem. */
export function result(id: string, why: string, well: string, problem: Problem | undefined): Result {
  return problem ? { id, why, ...problem } : { id, why, grade: 'ok', finding: well, fix: null };
}

export function checksOf(
  category: Category,
  results: readonly Result[],
  service: string | null = null,
): Check[] {
  return results.map((one) => ({ ...one, category, service, rewrite: null }));
}

/** `problem`, if it is so. */
export function when(
  isSo: boolean,
  grade: Problem['grade'],
  finding: string,
  fix: string,
): Problem | undefined {
  return isSo ? { grade, finding, fix } : undefined;
}
