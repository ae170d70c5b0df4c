import { redact } from '../model/secrets.js';
import { stripVTControlCharacters } from 'node:util';
import type { Container } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import { fail, worst, type Verdict } from '../model/verdict.js';
import type { HandlerContext } from './handler.js';
import { waiting, type Attempt } from './waiting.js';

const LOG_LINES = 5;
const LONGEST_LINE = 400;
/** Control characters but the line feed. */
const CONTROL = /[^\P{Cc}\n]/gu;

/** Those that run, in the engine's order. */
export async function runningContainers(context: HandlerContext): Promise<Container[]> {
  return (await context.containers()).filter((container) => container.state === 'running');
}

/** Asks each running container of the service; the one that is worst off answers for all. One that ended is a failure, by default. */
export async function everyContainer(
  context: HandlerContext,
  ask: (container: Container) => Promise<Attempt>,
  ended: (container: Container) => Attempt = (container) => fail(describeExit(container)),
): Promise<Attempt> {
  const containers = await context.containers();
  if (containers.length === 0) return fail(`${context.service} has no container`);
  const answers = await Promise.all(
    containers.map(async (container) => {
      const answer = await answerOf(container, ask, ended);
      return containers.length === 1 ? answer : { ...answer, reason: `${container.name}: ${answer.reason}` };
    }),
  );
  const verdicts = answers.filter((answer): answer is Verdict => answer.status !== 'waiting');
  const failed = verdicts.find((verdict) => verdict.status === 'fail');
  return failed ?? answers.find((answer) => answer.status === 'waiting') ?? worst(verdicts);
}

/** An ended container stays ended; every other state may still become running. */
async function answerOf(
  container: Container,
  ask: (container: Container) => Promise<Attempt>,
  ended: (container: Container) => Attempt,
): Promise<Attempt> {
  if (container.state === 'running') return await ask(container);
  if (container.state === 'exited' || container.state === 'dead') return ended(container);
  if (container.state === 'restarting') return waiting(`keeps restarting (${describeExit(container)})`);
  return waiting(`is ${container.state}, not running`);
}

export function describeExit(container: Container): string {
  return `exited with code ${container.exitCode ?? 'unknown'}`;
}

/** The end of a container's log as a clause to append; nothing when there is none. */
export async function lastWords(context: HandlerContext, container: Container): Promise<string> {
  try {
    const lines = lastLines(redact(await context.engine.logs(container.id, LOG_LINES), container.env));
    return lines === '' ? '; its log is empty' : `; its log ends: ${lines}`;
  } catch (error) {
    // Removed meanwhile, or a log driver that cannot be read: the words were only to help.
    if (error instanceof RollbackError && error.code === 'failed') return '';
    throw error;
  }
}

/** The last lines of a text on one line, without terminal control. */
export function lastLines(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(CONTROL, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(-LOG_LINES)
    .map((line) => (line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE - 1)}…` : line))
    .join(' | ');
}
