import type { Scenario } from '../../model/recovery.js';

/** What is wrong with a project, by the way it is mended. */
export interface Finding {
  scenario: Scenario;
  /** Null when it is about the project as a whole, or the machine. */
  service: string | null;
  cause: string;
  /** What shows it: a line, numbers, somebody else's own words. */
  evidence: string;
  /** What a person can do about it. */
  fix: string;
}

/** What was found, and what could not be looked at. */
export interface Diagnosis {
  findings: Finding[];
  warnings: string[];
}
