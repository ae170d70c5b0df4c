/** What has to happen to one service, and why. */
export type Decision =
  | { action: 'keep' }
  /** The provider makes its containers anew, or with `stop: false` only more or fewer of the same. */
  | {
      action: 'up';
      cause: string;
      start: boolean;
      replicas: number;
      stop: boolean;
      /** See the operation `up`. */
      recreate?: true;
      from?: 'facts';
    }
  /** The same containers run, and shall stop, start, or be stopped and started. */
  | { action: 'stop' | 'start' | 'restart'; cause: string }
  | { action: 'reload'; cause: string; paths: string[] }
  /** The point does not know it. */
  | { action: 'remove'; cause: string }
  /** It should change, and nothing we have can make it. */
  | { action: 'cannot'; cause: string };

export type Decisions = ReadonlyMap<string, Decision>;

/** Services whose containers are made anew. */
export function madeAnew(decisions: Decisions): string[] {
  return [...decisions].filter(([, decision]) => decision.action === 'up').map(([service]) => service);
}
