import type { ComposeModel } from '../model/compose.js';
import { RollbackError } from '../model/errors.js';
import { environmentFor, type Environment } from './endpoint.js';
import {
  parseHashes,
  runCompose,
  undoubleDollars,
  upCommand,
  type ComposeProgram,
} from './compose-program.js';
import { runProgram } from './program.js';
import type { ComposeProvider, ComposeRequest } from './provider.js';

/** Compose version 2 and later, as the docker CLI's plug-in or on its own. */
export class ComposeV2 implements ComposeProvider {
  readonly name: string;
  readonly #program: ComposeProgram;
  readonly #env: Environment;
  #version: Promise<string> | undefined;

  constructor(program: ComposeProgram, env: Environment) {
    this.name = program.name;
    this.#program = program;
    this.#env = env;
  }

  version(): Promise<string> {
    this.#version ??= composeVersion(this.#program, this.#env);
    return this.#version;
  }

  async config(request: ComposeRequest, options: { allProfiles?: boolean } = {}): Promise<ComposeModel> {
    const profiles = options.allProfiles ? ['*'] : request.profiles;
    // The schema library loads while compose reads.
    const [text, { readModel }] = await Promise.all([
      runCompose(this.#program, request, profiles, ['config', '--format', 'json']),
      import('./compose-document.js'),
    ]);
    return readModel(JSON.parse(undoubleDollars(text)), this.name);
  }

  async hashes(request: ComposeRequest): Promise<Record<string, string>> {
    return parseHashes(await runCompose(this.#program, request, request.profiles, ['config', '--hash', '*']));
  }

  /** Until 2.29.3, docker/compose d658fecc6. */
  async hashesDependencies(): Promise<boolean> {
    const [major = 0, minor = 0, patch = 0] = (await this.version()).split('.').map(Number.parseFloat);
    return major * 1e6 + minor * 1e3 + patch < 2_029_003;
  }

  async up(
    request: ComposeRequest,
    services: string[],
    options: { start: boolean; scale: Record<string, number> },
  ): Promise<void> {
    // Without a name it would mean all of them.
    if (services.length === 0) return;
    const [up = '', ...words] = upCommand(services, options);
    await runCompose(this.#program, request, request.profiles, [up, '--pull=never', ...words]);
  }

  defaultImage(project: string, service: string): string {
    return `${project}-${service}`;
  }
}

/** E.g. `2.26.1`. Throws `provider-failed` when the program does not say. */
export async function composeVersion(program: ComposeProgram, env: Environment): Promise<string> {
  const argv = [...program.argv, 'version', '--short'];
  const { exitCode, stdout, problem } = await runProgram(argv, {
    env: environmentFor(program.endpoint, env),
  });
  const version = stdout.trim().replace(/^v/, '');
  if (exitCode === 0 && /^\d+\./.test(version)) return version;
  throw new RollbackError('provider-failed', `\`${program.name}\` does not tell its version`, {
    hint: `see that \`${argv.join(' ')}\` works`,
    details: problem === undefined ? [] : [problem],
  });
}
