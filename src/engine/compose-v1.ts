import type { ComposeModel } from '../model/compose.js';
import { RollbackError } from '../model/errors.js';
import { ComposeBase, parseHashes, runCompose, undoubleDollars, upCommand } from './compose-program.js';
import { connectEngine } from './connect.js';
import type { Engine } from './engine.js';
import type { ComposeProvider, ComposeRequest } from './provider.js';

/** It replaces containers by what an image says in `ContainerConfig`, which later versions of Docker's API leave out. */
const LAST_API_MINOR = 44;

/**
 * Compose version 1 (1.28 and later), in Python and no longer maintained. What differs from version 2: it prints YAML of another
 * shape, prints services of every profile, takes one env file, knows no `--pull`, has no `configs`, names images `project_service`, and
 * its config hash covers the image's id.
 */
export class ComposeV1 extends ComposeBase implements ComposeProvider {
  async config(request: ComposeRequest, options: { allProfiles?: boolean } = {}): Promise<ComposeModel> {
    const [text, { normaliseV1 }] = await Promise.all([
      this.#run(request, ['config']),
      import('./compose-v1-model.js'),
    ]);
    return normaliseV1(
      undoubleDollars(text),
      request.name,
      options.allProfiles ? undefined : request.profiles,
    );
  }

  async hashes(request: ComposeRequest): Promise<Record<string, string>> {
    return parseHashes(await this.#run(request, ['config', '--hash=*']));
  }

  /** Its hash covers the image's id, and it reads models of its own shape only. */
  hashModel(): Promise<Record<string, string>> {
    return Promise.resolve({});
  }

  /** It does, and leaves them in when they are not named. */
  hashesDependencies(): Promise<boolean> {
    return Promise.resolve(false);
  }

  async up(
    request: ComposeRequest,
    services: string[],
    options: { start: boolean; scale: Record<string, number> },
  ): Promise<void> {
    if (services.length === 0) return;
    const engine = await connectEngine(this.program.endpoint);
    await this.#assertImages(engine, request, services);
    const { apiVersion } = await engine.identity();
    const newer = Number(apiVersion.split('.')[1]) > LAST_API_MINOR;
    const env = newer ? { COMPOSE_API_VERSION: `1.${LAST_API_MINOR}`, ...request.env } : request.env;
    await this.#run({ ...request, env }, upCommand(services, options));
  }

  defaultImage(project: string, service: string): string {
    return `${project}_${service}`;
  }

  /** Version 1 pulls what is missing and cannot be told not to. */
  async #assertImages(engine: Engine, request: ComposeRequest, services: string[]): Promise<void> {
    const model = await this.config(request, { allProfiles: true });
    for (const service of services) {
      const reference = model.services[service]?.image ?? this.defaultImage(request.name, service);
      if ((await engine.image(reference)) === undefined) {
        throw new RollbackError('provider-failed', `image ${reference} of service ${service} is not there`, {
          hint: 'pull, build or load it first: compose is never let to do so by itself here',
        });
      }
    }
  }

  async #run(request: ComposeRequest, command: string[]): Promise<string> {
    if (request.envFiles.length > 1) {
      throw new RollbackError('not-supported', `${this.name} version 1 takes one env file, not several`, {
        hint: 'install Docker Compose version 2',
      });
    }
    return runCompose(this.program, request, request.profiles, command);
  }
}
