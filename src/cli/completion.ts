import type { Argument, Command, Option } from 'commander';
import { RollbackError, type PointLine, type RollbackManager } from '../index.js';
import { COMMANDS, findEntry } from './commands.js';
import { readGlobals } from './globals.js';
import { Output } from './output.js';
import { globalsParser } from './program.js';
import { Session, type Environment } from './session.js';
import { printable } from './text.js';

/**
 * Shell completion: `__complete WORD… CURRENT` answers in cobra's protocol (one `value<TAB>description` a line, then `:DIRECTIVE`), which
 * our scripts read, and docker too when it completes its plugins.
 */

/** What the shell may do beside the candidates. */
const DIRECTIVES = { files: 0, nothing: 4, directories: 16 };

type Candidate = [value: string, description: string];

interface Answer {
  candidates: Candidate[];
  directive: number;
}

const only = (candidates: Candidate[]): Answer => ({ candidates, directive: DIRECTIVES.nothing });

/** Never fails, whatever goes wrong: while a person types it is no news to them, and the command itself will tell. */
export async function complete(
  program: Command,
  words: readonly string[],
  environment: Environment,
): Promise<string> {
  const answer = await answerTo(program, words, environment).catch(() => only([]));
  const current = currentWord(words);
  const lines = answer.candidates
    .filter(([value]) => value.startsWith(current))
    .map(([value, description]) => `${value}\t${printable(description)}`);
  return [...lines, `:${answer.directive}`, ''].join('\n');
}

/** Bash splits at "=": `--engine=do` comes as three words. */
const withoutEquals = (words: readonly string[]) => words.filter((word) => word !== '=');

const currentWord = (words: readonly string[]) => (words.at(-1) === '=' ? '' : (words.at(-1) ?? ''));

async function answerTo(
  program: Command,
  words: readonly string[],
  environment: Environment,
): Promise<Answer> {
  const before = withoutEquals(words.slice(0, -1));
  const current = currentWord(words);
  const { name, command, given, settled, pending } = readWords(program, before);
  const library = () => openLibrary(settled, environment);
  if (pending) return valuesOf(pending, current, library);
  if (current.startsWith('-')) return only(optionsOf(program, command));
  if (name === undefined) return only(COMMANDS.map((entry) => [entry.name, entry.summary]));
  return command ? argumentsOf(command, given, library) : only([]);
}

interface Words {
  /** The command's, as it was typed. */
  name: string | undefined;
  /** What these words call: of a command that has commands of its own the innermost. */
  command: Command | undefined;
  /** The words behind it, global flags left out. */
  given: string[];
  /** The words before the current one, without an option that still waits for its value. */
  settled: string[];
  /** That option. */
  pending: Option | undefined;
}

function readWords(program: Command, before: string[]): Words {
  const last = before.at(-1);
  const waiting = (options: readonly Option[]) =>
    options.find(
      (option) => option.required && last !== undefined && [option.short, option.long].includes(last),
    );
  const global = waiting(program.options);
  const { operands, unknown } = globalsParser().parseOptions(global ? before.slice(0, -1) : before);
  const [name, ...rest] = operands;
  const entry = name === undefined ? undefined : findEntry(name);
  const outer = entry && program.commands.find((candidate) => candidate.name() === entry.name);
  if (entry && outer) entry.define(outer, noSession);
  const { command, given } = innermost(outer, [...rest, ...unknown]);
  const pending = global ?? waiting(command?.options ?? []);
  return { name, command, given, settled: pending ? before.slice(0, -1) : before, pending };
}

/** The command that the words behind a command call, when it has commands of its own, and what is left of them. */
function innermost(
  command: Command | undefined,
  words: string[],
): { command: Command | undefined; given: string[] } {
  const [first, ...rest] = words;
  const inner = command?.commands.find((candidate) => candidate.name() === first);
  return inner ? innermost(inner, rest) : { command, given: words };
}

function noSession(): never {
  throw new RollbackError('usage', 'completion calls no command');
}

function optionsOf(program: Command, command: Command | undefined): Candidate[] {
  const options = [...(command?.options ?? []), ...program.options];
  const help: Candidate = ['--help', 'print the help'];
  return [...options.map((option): Candidate => [option.long ?? option.flags, option.description]), help];
}

async function valuesOf(option: Option, current: string, library: () => RollbackManager): Promise<Answer> {
  switch (option.attributeName()) {
    case 'file':
    case 'envFile':
      return { candidates: [], directive: DIRECTIVES.files };
    case 'backupDir':
    case 'projectDirectory':
      return { candidates: [], directive: DIRECTIVES.directories };
    case 'kind':
      return only(continueList(current, choicesOf(option)));
    case 'services':
      return only(continueList(current, await servicesOf(library())));
    case 'toSnapshot':
      return only(namesOf(await library().listPointLines()));
    default:
      return only(choicesOf(option));
  }
}

function choicesOf({ argChoices = [] }: Option | Argument): Candidate[] {
  return argChoices.map((choice) => [choice, '']);
}

/** `redis,ap`: the words that are not in the list yet, each behind what is typed already. */
function continueList(current: string, words: Candidate[]): Candidate[] {
  const chosen = current.slice(0, current.lastIndexOf(',') + 1);
  return words
    .filter(([word]) => !chosen.split(',').includes(word))
    .map(([word, description]) => [chosen + word, description]);
}

async function argumentsOf(
  command: Command,
  words: string[],
  library: () => RollbackManager,
): Promise<Answer> {
  const given = command.parseOptions(words).operands.length;
  if (command.commands.length > 0 && given === 0) {
    return only(command.commands.map((inner) => [inner.name(), inner.description()]));
  }
  const { registeredArguments } = command;
  const last = registeredArguments.at(-1);
  const argument = registeredArguments[given] ?? (last?.variadic ? last : undefined);
  if (!argument) return only([]);
  switch (argument.name()) {
    case 'point':
    case 'other':
      return only(await pointsOf(library()));
    case 'service':
      return only(await servicesOf(library()));
    case 'run': {
      const runs = await library().runs();
      return only(runs.map(({ id, kind, target }) => [id, `${kind} to ${target}`]));
    }
    case 'directory':
      return { candidates: [], directive: DIRECTIVES.directories };
    case 'document': {
      const { loadDocuments } = await import('../index.js');
      return only((await loadDocuments()).DOCUMENT_NAMES.map((name) => [name, '']));
    }
    default:
      return only(choicesOf(argument));
  }
}

async function pointsOf(manager: RollbackManager): Promise<Candidate[]> {
  const points = await manager.listPointLines();
  const ids = points.map(({ id, description, name }): Candidate => [id, description || (name ?? '')]);
  return points.length === 0
    ? []
    : [...ids, ...namesOf(points), ['latest', 'the newest manual or deploy point']];
}

function namesOf(points: PointLine[]): Candidate[] {
  return points.flatMap(({ id, name }): Candidate[] => (name === null ? [] : [[name, id]]));
}

/** Those that the newest point knows: no engine is asked while a person types. */
async function servicesOf(manager: RollbackManager): Promise<Candidate[]> {
  const [newest] = await manager.listPointLines();
  return (newest?.services ?? []).map((service) => [service, '']);
}

/** For the project that the global flags typed so far name. */
function openLibrary(settled: string[], environment: Environment): RollbackManager {
  const program = globalsParser();
  program.parseOptions(settled);
  const output = new Output(environment.stdout, environment.stderr, {
    json: false,
    quiet: true,
    colour: false,
  });
  return new Session(environment, readGlobals(program), output).manager();
}
