import { basename } from 'node:path';
import { RollbackError, VERSION } from '../index.js';

/** The same program as a Docker CLI plugin: `docker rollback create …` calls `docker-rollback [docker's flags] rollback create …`. */

const PLUGIN = 'rollback';
/** Cobra's protocol, in which docker asks its plugins for completions. */
export const COMPLETE = '__complete';

export const isPluginName = (program: string): boolean =>
  /^docker-rollback(?:\.js)?$/.test(basename(program));

/** What docker asks of every `docker-*` it finds; undefined when this is not that question. */
export function pluginMetadata(argv: readonly string[]): object | undefined {
  if (argv[0] !== 'docker-cli-plugin-metadata') return undefined;
  return {
    SchemaVersion: '0.1.0',
    Vendor: 'compose-rollback',
    Version: VERSION,
    ShortDescription: 'Rollback points for compose projects',
  };
}

/**
 * The environment without what docker tells its plugins in it: handed on, it would have `docker-compose` take itself for a plugin
 * that was called by docker.
 */
export function withoutPluginVariables(
  env: Record<string, string | undefined>,
): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('DOCKER_CLI_PLUGIN_')));
}

export interface PluginCall {
  /** As the program itself would have been called. */
  argv: string[];
  /** What docker's own flags put into the environment. */
  env: Record<string, string>;
}

/** Docker's flags before the plugin's name, and what they are to us: a flag of ours, a variable, or nothing. */
const DOCKER_FLAGS: Record<string, { value: boolean; flag?: string; variable?: string }> = {
  '--context': { value: true, flag: '--context' },
  '--host': { value: true, flag: '--host' },
  '--config': { value: true, variable: 'DOCKER_CONFIG' },
  '--log-level': { value: true },
  '--debug': { value: false, flag: '--verbose' },
};
const DOCKER_SHORT_FLAGS: Record<string, string> = {
  '-c': '--context',
  '-H': '--host',
  '-l': '--log-level',
  '-D': '--debug',
};

/**
 * Translates a call by docker. The plugin's own name is taken away, unless what is left could not be called: `rollback rb-…` still means
 * the command, whether `docker rollback` or `docker-rollback` stands before it. Throws `usage` for docker's TLS flags.
 */
export function translatePluginCall(
  argv: readonly string[],
  isCallable: (words: readonly string[]) => boolean,
): PluginCall {
  if (argv[0] === COMPLETE) {
    const { argv: words, env } = translatePluginCall(argv.slice(1), () => true);
    return { argv: [COMPLETE, ...words], env };
  }
  const { flags, env, rest } = takeDockerFlags(argv);
  const [name, ...after] = rest;
  return { argv: [...flags, ...(name === PLUGIN && isCallable(after) ? after : rest)], env };
}

function takeDockerFlags(argv: readonly string[]): {
  flags: string[];
  env: Record<string, string>;
  rest: string[];
} {
  const flags: string[] = [];
  const env: Record<string, string> = {};
  const rest = [...argv];
  for (;;) {
    const [word = ''] = rest;
    const [text, attached] = splitFlag(word);
    const name = DOCKER_SHORT_FLAGS[text] ?? text;
    if (name.startsWith('--tls')) {
      throw new RollbackError('usage', `docker's ${name} is not passed on to compose-rollback`, {
        hint: 'keep the certificates in a docker context and name it with --context',
      });
    }
    const known = DOCKER_FLAGS[name];
    if (!known) return { flags, env, rest };
    rest.shift();
    const value = known.value ? (attached ?? rest.shift()) : undefined;
    if (known.flag !== undefined) flags.push(known.flag, ...(value === undefined ? [] : [value]));
    if (known.variable !== undefined && value !== undefined) env[known.variable] = value;
  }
}

function splitFlag(word: string): [string, string | undefined] {
  const equals = word.indexOf('=');
  return equals === -1 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}
