import { CommanderError, type Command } from 'commander';
import { RollbackError } from '../index.js';
import { errorDocument, reportError } from './errors.js';
import { exitCodeOf, DONE } from './exit-codes.js';
import { flagsAhead, readGlobals } from './globals.js';
import { Output, wantsColour } from './output.js';
import {
  COMPLETE,
  isPluginName,
  pluginMetadata,
  translatePluginCall,
  withoutPluginVariables,
} from './plugin.js';
import { asHelpFlag, buildProgram, isCallable, usageError } from './program.js';
import { Session, type Environment } from './session.js';

/** One call of the program: arguments in, exit code out. Everything that goes wrong is told here. */
export async function run(
  calledAs: string,
  argv: readonly string[],
  environment: Environment,
): Promise<number> {
  const { stdout, stderr } = environment;
  const metadata = pluginMetadata(argv);
  if (metadata) {
    stdout.write(`${JSON.stringify(metadata)}\n`);
    return DONE;
  }
  const ahead = flagsAhead(argv);
  const colour = ahead.colour && wantsColour(environment.env);
  const output = new Output(stdout, stderr, { ...ahead, colour });
  try {
    return await dispatch(calledAs, argv, environment, output);
  } catch (error) {
    const told = asTold(error, environment);
    if (ahead.json) stdout.write(`${JSON.stringify(errorDocument(told))}\n`);
    else reportError(output, told, ahead);
    return told instanceof RollbackError ? exitCodeOf(told.code) : 1;
  }
}

async function dispatch(
  calledAs: string,
  argv: readonly string[],
  environment: Environment,
  output: Output,
): Promise<number> {
  const asPlugin = isPluginName(calledAs);
  const call = asPlugin ? translatePluginCall(argv, isCallable) : { argv: [...argv], env: {} };
  const name = asPlugin ? 'docker rollback' : 'compose-rollback';
  const within = { ...environment, env: { ...withoutPluginVariables(environment.env), ...call.env } };
  let session: Session | undefined;
  const program = buildProgram(name, () => (session ??= new Session(within, readGlobals(program), output)));
  if (call.argv[0] === COMPLETE) {
    const { complete } = await import('./completion.js');
    output.stdout.write(await complete(program, call.argv.slice(1), within));
    return DONE;
  }
  const isFirst = (command: Command) => command.name() === program.args[0];
  try {
    await program.parseAsync(asHelpFlag(call.argv), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const wrong = usageError(error, name);
    if (wrong) throw wrong;
    // Called with nothing at all, or with a command that only has commands of its own.
    if (error.code === 'commander.help') (program.commands.find(isFirst) ?? program).outputHelp();
  }
  return session?.exitCode ?? DONE;
}

/** Ctrl-C before anything was begun: a no to the library's question, or the abort itself. */
function asTold(error: unknown, { interrupts }: Environment): unknown {
  if (!interrupts.interrupted) return error;
  const declined = error instanceof RollbackError && error.code === 'declined';
  const aborted = error instanceof Error && error.name === 'AbortError';
  if (!declined && !aborted) return error;
  return new RollbackError('interrupted', 'interrupted; nothing was touched', { cause: error });
}
