/** How far a run reaches. */
export interface RunScope {
  /** Only these services; all when undefined. */
  services: string[] | undefined;
  /** Write files, start nothing; false by default. */
  configOnly: boolean;
  /** Restore volume data where the point has it; true by default. */
  volumes: boolean;
  /** Restore the listed files outside the project too; false by default. */
  outside: boolean;
  /** Check the point's commit out, after stashing; false by default. */
  git: boolean;
  /** Let image tags point where they point today once the services run; false by default. */
  leaveTags: boolean;
}

/** The scope as a person gives it: all services, with their data, and nothing outside, when absent. */
export type ScopeOptions = { [K in keyof RunScope]?: RunScope[K] | undefined };

export function scopeOf({
  services,
  configOnly = false,
  volumes = true,
  outside = false,
  git = false,
  leaveTags = false,
}: ScopeOptions): RunScope {
  return { services, configOnly, volumes, outside, git, leaveTags };
}
