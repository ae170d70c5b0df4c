import { createInterface } from 'node:readline';
import { RollbackError } from '../index.js';
import type { Session } from './session.js';

/** Questions. They go to stderr, so that data on stdout stays data; without a person at a terminal none is asked. */

/** Throws `usage`, naming what would be asked about, when nobody can answer. */
export function assertCanAsk({ environment }: Session, what: string, hint: string): void {
  if (environment.stdin.isTTY && environment.stderr.isTTY) return;
  throw new RollbackError('usage', `${what} and there is no terminal to ask on; nothing was touched`, {
    hint,
  });
}

/**
 * Asks until the answer is yes or no. The end of input counts as no, and so does Ctrl-C, after which
 * `interrupts.interrupted` tells the difference.
 */
export async function askYesNo({ environment, interrupts }: Session, question: string): Promise<boolean> {
  const { stdin: input, stderr: output } = environment;
  const lines = createInterface({ input, output, terminal: true, historySize: 0 });
  lines.setPrompt(`${question} [yes/no]: `);
  lines.on('SIGINT', () => {
    interrupts.cancel();
    lines.close();
  });
  lines.prompt();
  try {
    for await (const line of lines) {
      const answer = line.trim().toLowerCase();
      if (answer === 'yes' || answer === 'y') return true;
      if (answer === 'no' || answer === 'n') return false;
      output.write('Please answer yes or no.\n');
      lines.prompt();
    }
    output.write('\n');
    return false;
  } finally {
    lines.close();
  }
}

export interface Choice {
  name: string;
  value: string;
  /** What stays on the screen once it is chosen. */
  short: string;
}

/** Lets a person choose from a list; undefined when they would not. */
export async function pick(
  { environment, interrupts }: Session,
  message: string,
  choices: Choice[],
): Promise<string | undefined> {
  const { default: inquirer } = await import('inquirer');
  const { stdin: input, stderr: output } = environment;
  const leaving = new AbortController();
  // Inquirer knows Ctrl-C; the end of input (Ctrl-D) would leave it waiting for ever.
  const onKey = (_: unknown, key: { name?: string; ctrl?: boolean } | undefined) => {
    if (key?.ctrl === true && key.name === 'd') leaving.abort();
  };
  input.on('keypress', onKey);
  try {
    const prompt = inquirer.createPromptModule({ input, output, signal: leaving.signal });
    const { value } = await prompt<{ value: string }>([
      { type: 'select', name: 'value', message, choices, pageSize: 12, loop: false },
    ]);
    return value;
  } catch (error) {
    if (!(error instanceof Error) || !['ExitPromptError', 'AbortPromptError'].includes(error.name))
      throw error;
    if (error.name === 'ExitPromptError') interrupts.cancel();
    return undefined;
  } finally {
    input.off('keypress', onKey);
    input.pause();
  }
}
