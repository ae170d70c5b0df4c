import { Command, CommanderError } from 'commander';
import { RollbackError, VERSION } from '../index.js';
import { COMMANDS, findEntry } from './commands.js';
import { addGlobalOptions } from './globals.js';
import type { Session } from './session.js';

/** The command line as commander sees it: the global flags, and all commands by name. A command is defined when it is called. */

const MORE_HELP = 'Global flags work with every command, before and after its name: compose-rollback --help';

export function buildProgram(name: string, session: () => Session): Command {
  const program = new Command(name)
    .description('Rollback points for compose projects: bring back exactly what ran.')
    .usage('[flags] <command> [arguments]')
    .exitOverride()
    .configureOutput({ writeErr: () => undefined, outputError: () => undefined })
    .addHelpText(
      'after',
      `
Start here:
  ${name} create "Before v2.0"
  ${name} list
  ${name} rollback latest --dry-run
  ${name} quick-rollback
Help of a command: ${name} <command> --help`,
    );
  addGlobalOptions(program)
    .optionsGroup('About:')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help, or that of a command');
  program.helpCommand(false); // it would print the help of a command that is not defined; see `asHelpFlag`
  for (const { name: command, alias, summary, group } of COMMANDS) {
    const added = program.command(command).description(summary).helpGroup(group);
    if (alias !== undefined) added.alias(alias);
  }
  program.hook('preSubcommand', (_, command) => {
    const entry = findEntry(command.name());
    if (!entry) return;
    entry.define(command, session);
    command.addHelpText('after', `\n${MORE_HELP}`);
  });
  return program;
}

/** `help create` is `create --help`. */
export function asHelpFlag(argv: string[]): string[] {
  const [first, ...rest] = argv;
  return first === 'help' ? [...rest, '--help'] : argv;
}

/** The global flags alone: to find a command, or a project, in words that are not to be acted upon. */
export function globalsParser(): Command {
  return addGlobalOptions(new Command().exitOverride().configureOutput({ outputError: () => undefined }));
}

/** Can the program be called with these words: a command after global flags, a plea for help, or nothing? */
export function isCallable(words: readonly string[]): boolean {
  try {
    const { operands, unknown } = globalsParser().parseOptions([...words]);
    const first = operands[0] ?? unknown[0];
    if (first === undefined) return true;
    return findEntry(first) !== undefined || ['help', '--help', '-h', '--version', '-V'].includes(first);
  } catch (error) {
    if (error instanceof CommanderError) return true; // told when it is parsed in earnest
    throw error;
  }
}

/** What commander found wrong, as one line and what to do; undefined when it only printed help or the version. */
export function usageError(error: CommanderError, name: string): RollbackError | undefined {
  if (['commander.helpDisplayed', 'commander.version', 'commander.help'].includes(error.code))
    return undefined;
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const suggestion = /^\(Did you mean (.+)\?\)$/.exec(rest.join(' ').trim())?.[1];
  return new RollbackError('usage', first, {
    hint: suggestion === undefined ? hintFor(error.code, name) : `did you mean ${suggestion}?`,
  });
}

function hintFor(code: string, name: string): string {
  switch (code) {
    case 'commander.excessArguments':
      return 'put quotes around an argument that has spaces';
    case 'commander.unknownOption':
      return `${name} <command> --help lists the options; put -- before an argument that starts with a dash`;
    case 'commander.unknownCommand':
      return `${name} --help lists the commands`;
    default:
      return `${name} <command> --help tells how it is called`;
  }
}
