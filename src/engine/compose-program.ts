import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { RollbackError } from '../model/errors.js';
import { redact } from '../model/secrets.js';
import { connectEngine } from './connect.js';
import { environmentFor, type Endpoint, type Environment } from './endpoint.js';
import { runProgram, type ProgramResult } from './program.js';
import type { ComposeModel } from '../model/compose.js';
import type { ComposeRequest, UpOptions } from './provider.js';

/** One way to call compose: the program, and how its words begin. */
export interface ComposeProgram {
  /** As a person calls it, for messages: `docker compose`. */
  name: string;
  /** `['docker', 'compose']`, or the path of the program itself. */
  argv: string[];
  endpoint: Endpoint;
}

/** What versions 1 and 2 have in common. */
export abstract class ComposeBase {
  readonly name: string;
  readonly replaces: boolean = true;
  readonly readsModels: boolean = false;
  #version: Promise<string> | undefined;

  constructor(
    protected readonly program: ComposeProgram,
    protected readonly env: Environment,
  ) {
    this.name = program.name;
  }

  /** E.g. `2.26.1`; asked for once. Throws `provider-failed` when the program does not say. */
  version(): Promise<string> {
    this.#version ??= this.askVersion();
    return this.#version;
  }

  async build(request: ComposeRequest, service: string): Promise<void> {
    const env = await this.#buildEnvironment(request.env);
    await runCompose(this.program, { ...request, env }, request.profiles, ['build', '--', service]);
  }

  /** With BuildKit compose starts a builder in Podman from an image that it pulls (measured, 2.40.3 on Podman 5.8.6): Podman builds by itself unless a person chose. */
  async #buildEnvironment(env: Environment): Promise<Environment> {
    if (env.DOCKER_BUILDKIT) return env;
    const { kind } = await (await connectEngine(this.program.endpoint)).identity();
    return kind === 'podman' ? { ...env, DOCKER_BUILDKIT: '0' } : env;
  }

  upModel(
    _request: ComposeRequest,
    _model: ComposeModel,
    _services: string[],
    _options: UpOptions,
  ): Promise<void> {
    return Promise.reject(
      new RollbackError('not-supported', `${this.name} makes services from files only`, {
        hint: 'use docker compose, version 2 or later',
      }),
    );
  }

  protected askVersion(): Promise<string> {
    return composeVersion(this.program, ['version', '--short'], this.env);
  }
}

/** E.g. `2.26.1`. Throws `provider-failed` when the program does not say. */
export async function composeVersion(
  program: ComposeProgram,
  words: string[],
  env: Environment,
): Promise<string> {
  const argv = [...program.argv, ...words];
  const { exitCode, stdout, problem } = await runProgram(argv, {
    env: environmentFor(program.endpoint, env),
  });
  // podman-compose says more than that, whatever it is asked.
  const version = /^(?:podman-composer? version +|v)?(\d+\..*)$/m.exec(stdout.trim())?.[1];
  if (exitCode === 0 && version !== undefined) return version;
  throw new RollbackError('provider-failed', `\`${program.name}\` does not tell its version`, {
    hint: `see that \`${argv.join(' ')}\` works`,
    details: problem === undefined ? [] : [problem],
  });
}

const LAST_LINES = 20;

/** What compose would take from the environment, given by us instead or switched off. */
export const PROJECT_VARIABLES: Environment = {
  COMPOSE_FILE: undefined,
  COMPOSE_PATH_SEPARATOR: undefined,
  COMPOSE_PROJECT_NAME: undefined,
  COMPOSE_PROJECT_DIR: undefined,
  COMPOSE_ENV_FILES: undefined,
  // Empty and not absent: absent would let the directory's .env choose.
  COMPOSE_PROFILES: '',
  COMPOSE_REMOVE_ORPHANS: 'false',
  COMPOSE_IGNORE_ORPHANS: 'true',
};

/**
 * Runs one compose command for exactly this project on exactly this engine, with `input` for its file `-`; its stdout. Throws `provider-failed` with its last words
 * as details, without the values of variables that it quotes.
 */
export async function runCompose(
  program: ComposeProgram,
  request: ComposeRequest,
  profiles: string[],
  command: string[],
  input?: string,
): Promise<string> {
  // Always `--option=value`: no name or path from outside can be read as an option of its own.
  const argv = [
    ...program.argv,
    `--project-name=${request.name}`,
    `--project-directory=${request.directory}`,
    ...request.files.map((file) => `--file=${file}`),
    ...profiles.map((profile) => `--profile=${profile}`),
    ...request.envFiles.map((file) => `--env-file=${file}`),
    ...command,
  ];
  const result = await runProgram(argv, {
    cwd: request.directory,
    env: { ...environmentFor(program.endpoint, request.env), ...PROJECT_VARIABLES },
    ...(input === undefined ? {} : { input }),
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  });
  if (result.exitCode === 0) return result.stdout;
  throw await failureOf(program, request, command[0] ?? '', result);
}

/** `provider-failed` with the program's last words, without the values of variables that it quotes. */
export async function failureOf(
  program: ComposeProgram,
  request: ComposeRequest,
  command: string,
  result: ProgramResult,
): Promise<RollbackError> {
  const what = `\`${program.name} ${command}\` for project ${request.name}`;
  const words = redact(
    result.stderr.trim() || result.problem || '',
    request.env,
    await fileEnvironment(request),
  );
  return new RollbackError(
    'provider-failed',
    `${what} failed (${result.problem ?? `exit code ${result.exitCode}`})`,
    {
      hint: `the last lines are ${program.name}'s own`,
      details: words.split('\n').slice(-LAST_LINES),
    },
  );
}

/** What the env files give that compose interpolates from. */
async function fileEnvironment({ directory, envFiles }: ComposeRequest): Promise<Environment> {
  const files = envFiles.length > 0 ? envFiles : [join(directory, '.env')];
  const texts = await Promise.all(
    files.map((file) =>
      readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
        // Compose has said by now what it thinks of a file that cannot be read.
        if (error.code === undefined) throw error;
        return '';
      }),
    ),
  );
  return Object.assign({}, ...texts.map((text) => parseEnv(text)));
}

/** The words of `up` that versions 1 and 2 share. */
export function upCommand(services: string[], options: UpOptions): string[] {
  return [
    'up',
    // Version 1 refuses --detach together with --no-start.
    options.start ? '--detach' : '--no-start',
    '--no-deps',
    '--no-build',
    ...(options.recreate ? ['--force-recreate'] : []),
    ...Object.entries(options.scale).map(([service, count]) => `--scale=${service}=${count}`),
    '--',
    ...services,
  ];
}

/** The answer of `config --hash *`: a service and its hash a line. */
export function parseHashes(text: string): Record<string, string> {
  const rows = text.split('\n').map((line) => line.trim().split(/\s+/));
  return Object.fromEntries(rows.flatMap(([service, hash]) => (service && hash ? [[service, hash]] : [])));
}

/** Both versions double every dollar sign of what `config` prints, so that it could be a compose file again. */
export function undoubleDollars(text: string): string {
  return text.replaceAll('$$', () => '$');
}
