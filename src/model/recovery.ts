/** The ways in which a project is mended: each has a name. */
export const SCENARIOS = [
  'failed-build',
  'failed-startup',
  'network-issues',
  'volume-issues',
  'permission-issues',
] as const;

export type Scenario = (typeof SCENARIOS)[number];

export const RECOVERY_RESULTS = ['planned', 'nothing-to-do', 'blocked', 'healthy', 'not-healthy'] as const;
