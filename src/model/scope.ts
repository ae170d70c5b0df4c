/** How far a run reaches. */
export interface RunScope {
  /** Only these services; undefined for all. */
  services: string[] | undefined;
  /** Write files, start nothing. */
  configOnly: boolean;
  /** Restore volume data where the point has it. */
  volumes: boolean;
  /** Restore the listed files outside the project too. */
  outside: boolean;
  /** Check the point's commit out. */
  git: boolean;
}

/** The scope as a person gives it: all services, with their data, and nothing outside, when absent. */
export type ScopeOptions = { [K in keyof RunScope]?: RunScope[K] | undefined };

export function scopeOf({
  services,
  configOnly = false,
  volumes = true,
  outside = false,
  git = false,
}: ScopeOptions): RunScope {
  return { services, configOnly, volumes, outside, git };
}
