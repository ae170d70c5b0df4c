import type { Container } from '../model/engine.js';
import { fail, type Verdict } from '../model/verdict.js';
import { describeExit, lastWords } from './containers.js';
import type { HandlerContext } from './handler.js';
import { pause } from './waiting.js';

// All in milliseconds.
const WINDOW = 1500;
/** An engine forgets its restart back-off for a container that ran this long: from then on it counts as up. */
const SETTLED = 10_000;
const INTERVAL = 250;

/**
 * The same watch for every kind of service: once it was found well, it must stay up for a short window, longer for one that the engine had
 * to restart lately, none for one that has been up long since. Returns the verdict that was found, or why it does not stand.
 */
export async function staysUp(context: HandlerContext, found: Verdict): Promise<Verdict> {
  const before = await context.containers();
  const started = performance.now();
  for (let now = before; ; now = await context.containers()) {
    for (const container of before) {
      const today = now.find((candidate) => candidate.id === container.id);
      const change = problemOf(container, today, found);
      if (change !== undefined) {
        return fail(`${change} after this had been found: ${found.reason}${await wordsOf(context, today)}`);
      }
    }
    if (performance.now() - started >= windowFor(context, now)) return found;
    await pause(INTERVAL, context.signal);
  }
}

/** A failure with what the containers tell about it: exit codes, restarts, the end of the log. */
export async function explained(context: HandlerContext, failure: Verdict): Promise<Verdict> {
  const culprit = (await context.containers()).find(
    (container) => container.state !== 'running' || container.restartCount > 0,
  );
  if (culprit === undefined) return failure;
  const restarts = culprit.restartCount === 0 ? '' : `; restarted ${times(culprit.restartCount)} so far`;
  return fail(`${failure.reason}${restarts}${await lastWords(context, culprit)}`);
}

/** What happened to a container since it was found well; undefined when nothing did. */
export function problemOf(before: Container, now: Container | undefined, found: Verdict): string | undefined {
  if (now === undefined) return 'its container was removed';
  if (now.state === 'restarting') return `crashes and is restarted again and again (${describeExit(now)})`;
  if (now.restartCount > before.restartCount || now.startedAt !== before.startedAt) return 'was restarted';
  // A job whose health nobody can tell may come to its good end.
  const ended = now.state === 'exited' && now.exitCode === 0 && found.status === 'inconclusive';
  return now.state === 'running' || ended ? undefined : describeEnd(now);
}

function describeEnd(container: Container): string {
  return container.state === 'exited' || container.state === 'dead'
    ? describeExit(container)
    : `is ${container.state}, not running,`;
}

async function wordsOf(context: HandlerContext, container: Container | undefined): Promise<string> {
  return container === undefined ? '' : await lastWords(context, container);
}

function windowFor(context: HandlerContext, containers: Container[]): number {
  const running = containers.filter((container) => container.state === 'running');
  // The engine's clock is comparable with ours only when it is the same one.
  const uptimes = running.map((container) =>
    context.local ? Date.now() - Date.parse(container.startedAt) : 0,
  );
  if (uptimes.every((uptime) => uptime >= SETTLED)) return 0;
  const shaky = running.some(
    (container, index) => container.restartCount > 0 && (uptimes[index] ?? 0) < SETTLED,
  );
  return shaky ? SETTLED : WINDOW;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}
