/** Whether a project is ready to move from Docker to Podman, as data. */

export const CATEGORIES = [
  'system',
  'docker',
  'podman',
  'permissions',
  'network',
  'security',
  'backup',
] as const;
export type Category = (typeof CATEGORIES)[number];

/**
 * Gravest last. `note`: works, and is worth knowing. `warning`: works less, or may not. `critical`: does not start, or loses something.
 */
export const GRADES = ['ok', 'note', 'warning', 'critical'] as const;
export type Grade = (typeof GRADES)[number];

export interface Check {
  /** `port.privileged`: the same for the same thing, in every version. */
  id: string;
  category: Category;
  grade: Grade;
  /** Null when it is of the whole project, or of the machine. */
  service: string | null;
  /** In one line. */
  finding: string;
  why: string;
  /** What to do; null when nothing has to be done. */
  fix: string | null;
  /** Lines that would stand in the compose file instead, where there are such. */
  rewrite: string | null;
}

export const VERDICTS = ['READY', 'READY WITH WARNINGS', 'NOT READY'] as const;

export interface Readiness {
  project: string;
  directory: string;
  verdict: (typeof VERDICTS)[number];
  /** Where the project would run; version null where there is no Podman. */
  target: { podman: string | null; rootless: boolean; provider: string | null };
  /** By category, the gravest first. */
  checks: Check[];
  /** What was done about findings; paths relative to the project. */
  fixed: string[];
  /** Absolute path of the report that was written. */
  report: string | null;
}
