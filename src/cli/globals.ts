import { Option, type Command } from 'commander';
import { RollbackError } from '../index.js';

/** The flags of every command, before and after its name; those that compose has are called as compose calls them. */
export interface Globals {
  files: string[] | undefined;
  projectName: string | undefined;
  projectDirectory: string | undefined;
  profiles: string[] | undefined;
  envFiles: string[] | undefined;
  backupDir: string | undefined;
  identity: string | undefined;
  engine: 'auto' | 'docker' | 'podman';
  host: string | undefined;
  context: string | undefined;
  json: boolean;
  quiet: boolean;
  verbose: boolean;
  colour: boolean;
  yes: boolean;
}

const repeatable = (value: string, before: string[] | undefined) => [...(before ?? []), value];

export function addGlobalOptions(program: Command): Command {
  return program
    .optionsGroup('Which project:')
    .addOption(new Option('-f, --file <file>', 'compose file; may be repeated').argParser(repeatable))
    .option('-p, --project-name <name>', 'name of the project')
    .option('--project-directory <dir>', 'where relative paths start')
    .addOption(new Option('--profile <name>', 'activate a profile; may be repeated').argParser(repeatable))
    .addOption(new Option('--env-file <file>', 'instead of .env; may be repeated').argParser(repeatable))
    .optionsGroup('Where:')
    .option('--backup-dir <dir>', 'where points are kept')
    .option('--identity <file>', 'age identity that opens encrypted points')
    .addOption(new Option('--engine <kind>', 'container engine').choices(['auto', 'docker', 'podman']))
    .option('--host <address>', 'address of the engine, such as unix:///…')
    .option('--context <name>', 'docker context')
    .optionsGroup('How:')
    .option('--json', 'print JSON: a document, or one event a line')
    .option('--quiet', 'say nothing beside the result')
    .option('--verbose', 'tell more when something goes wrong')
    .option('--no-color', 'no colours; NO_COLOR=1 does the same')
    .option('-y, --yes', 'go ahead without asking');
}

/** Throws `usage` for a flag that was given an empty value. */
export function readGlobals(program: Command): Globals {
  const given: Record<string, unknown> = program.opts();
  const text = (name: string): string | undefined => {
    const value = given[name];
    return typeof value === 'string' ? filled(name, value) : undefined;
  };
  const list = (name: string): string[] | undefined => {
    const value = given[name];
    return Array.isArray(value) ? value.map((one) => filled(name, String(one))) : undefined;
  };
  const engine = given['engine'];
  return {
    files: list('file'),
    projectName: text('projectName'),
    projectDirectory: text('projectDirectory'),
    profiles: list('profile'),
    envFiles: list('envFile'),
    backupDir: text('backupDir'),
    identity: text('identity'),
    engine: engine === 'docker' || engine === 'podman' ? engine : 'auto',
    host: text('host'),
    context: text('context'),
    json: given['json'] === true,
    quiet: given['quiet'] === true,
    verbose: given['verbose'] === true,
    colour: given['color'] !== false,
    yes: given['yes'] === true,
  };
}

function filled(name: string, value: string): string {
  if (value !== '') return value;
  const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new RollbackError('usage', `--${flag} was given an empty value`, {
    hint: 'give it a value, or leave it out',
  });
}

/** How errors are told is decided before the flags could be read: a wrong flag is an error too. */
export function flagsAhead(argv: readonly string[]): {
  json: boolean;
  quiet: boolean;
  verbose: boolean;
  colour: boolean;
} {
  const end = argv.indexOf('--');
  const flags = new Set(end === -1 ? argv : argv.slice(0, end));
  return {
    json: flags.has('--json'),
    quiet: flags.has('--quiet'),
    verbose: flags.has('--verbose'),
    colour: !flags.has('--no-color'),
  };
}
