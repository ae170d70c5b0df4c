#!/usr/bin/env node
import { INTERRUPTED } from './cli/exit-codes.js';
import { Interrupts } from './cli/interrupts.js';
import { run } from './cli/run.js';

/** The binary: arguments in, exit code out. The exit code is set, not forced, so that all output is flushed. */

// What a library should not do any more is for us to see to, not for whoever waits for their stack.
process.noDeprecation = true;

const interrupts = new Interrupts(() => process.exit(INTERRUPTED));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    interrupts.interrupt();
  });
}

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // Nobody reads any more (`| head`): the work goes on, quietly.
    if (error.code === 'EPIPE') return;
    if (stream === process.stdout)
      process.stderr.write(`compose-rollback: the output was lost: ${error.message}\n`);
    process.exitCode = 1;
  });
}

const { stdin, stdout, stderr, env } = process;
const [, calledAs = '', ...argv] = process.argv;
const exitCode = await run(calledAs, argv, { stdin, stdout, stderr, env, interrupts });
process.exitCode ??= exitCode;
