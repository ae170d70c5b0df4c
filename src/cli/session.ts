import { Migration, RollbackManager, type EventSink, type ManagerOptions } from '../index.js';
import type { Globals } from './globals.js';
import type { Interrupts } from './interrupts.js';
import { DONE } from './exit-codes.js';
import type { Output } from './output.js';
import { printable } from './text.js';

/** What the process gives a command to work with. */
export interface Environment {
  stdin: NodeJS.ReadStream;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  env: Record<string, string | undefined>;
  interrupts: Interrupts;
}

interface Run {
  onEvent?: EventSink;
  signal?: AbortSignal;
}

/** One call of the program: its global flags, where it prints, and the exit code it will end with. */
export class Session {
  exitCode = DONE;

  constructor(
    readonly environment: Environment,
    readonly globals: Globals,
    readonly output: Output,
  ) {}

  get interrupts(): Interrupts {
    return this.environment.interrupts;
  }

  /** The library, for the project that the global flags name. */
  manager(run: Run = {}): RollbackManager {
    return new RollbackManager(this.options(run));
  }

  migration(run: Run = {}): Migration {
    return new Migration(this.options(run));
  }

  private options(run: Run): ManagerOptions {
    const onEvent: EventSink = (event) => {
      if (event.type === 'warning') this.output.note(`! ${printable(event.message)}`);
    };
    const { files, projectName, projectDirectory, profiles, envFiles, backupDir, identity } = this.globals;
    const { engine, host, context } = this.globals;
    const project = { files, projectName, projectDirectory, profiles, envFiles, backupDir };
    return {
      ...project,
      identityFile: identity,
      engine,
      host,
      context,
      env: this.environment.env,
      onEvent,
      ...run,
    };
  }
}
