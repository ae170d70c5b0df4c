import { dirname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ComposeModel } from '../model/compose.js';
import { RollbackError } from '../model/errors.js';
import { isAtLeast } from '../model/versions.js';
import { ComposeBase, composeVersion, failureOf, PROJECT_VARIABLES } from './compose-program.js';
import { connectEngine } from './connect.js';
import { environmentFor, type Environment } from './endpoint.js';
import { runProgram, type ProgramResult } from './program.js';
import type { ComposeProvider, ComposeRequest } from './provider.js';
import { findProgram } from './search-path.js';

/** Both from `src/engine/` and from the bundle's `dist/chunks/`. */
const GATE = fileURLToPath(new URL('../../dist/podman-gate.sh', import.meta.url));

/**
 * podman-compose, 1.0.3 and later. It replaces no container, knows no `--no-deps`, starts what a service depends on whether that has run or not, takes down
 * what it thinks has changed, and ends well whatever Podman says: so it calls Podman through a gate that lets only the services through that were asked
 * for, and what it made is looked at afterwards. Before 1.1 it has no profiles and no env files but `.env`.
 */
export class PodmanCompose extends ComposeBase implements ComposeProvider {
  override readonly replaces = false;

  /** Asked for less it says nothing before 1.1. */
  protected override askVersion(): Promise<string> {
    return composeVersion(this.program, ['version'], this.env);
  }

  /** As this version understands the files, read by us: it prints no model before 1.1, and never one of a service's defaults. */
  async config(request: ComposeRequest, options: { allProfiles?: boolean } = {}): Promise<ComposeModel> {
    const [modern, { readPodmanModel }] = await Promise.all([
      this.#isModern(),
      import('./podman-compose-model.js'),
    ]);
    assertSupported(request, modern);
    return await readPodmanModel(request, modern, options.allProfiles ?? false);
  }

  /** It cannot tell: its label covers all services at once, or nothing. */
  hashes(): Promise<Record<string, string>> {
    return Promise.resolve({});
  }

  hashModel(): Promise<Record<string, string>> {
    return Promise.resolve({});
  }

  hashesDependencies(): Promise<boolean> {
    return Promise.resolve(false);
  }

  async up(
    request: ComposeRequest,
    services: string[],
    { start, scale }: { start: boolean; scale: Record<string, number> },
  ): Promise<void> {
    if (services.length === 0) return;
    assertSupported(request, await this.#isModern());
    if (Object.keys(scale).length > 0) {
      throw new RollbackError(
        'not-supported',
        `${this.name} makes as many containers as the files say, not other numbers`,
        {
          hint: 'set deploy.replicas in the compose file',
        },
      );
    }
    const podman = await this.#podman(request);
    await this.#assertImages(request, services);
    const gate = {
      COMPOSE_ROLLBACK_GATE_PROGRAM: podman,
      COMPOSE_ROLLBACK_GATE_SERVICES: ` ${services.join(' ')} `,
    };
    const command = ['up', start ? '--detach' : '--no-start', '--no-build', '--', ...services];
    const result = await this.#run(request, GATE, command, gate);
    if (result.exitCode !== 0 || !(await this.#areMade(request, services, start))) {
      throw await failureOf(this.program, request, 'up', result);
    }
  }

  override async build(request: ComposeRequest, service: string): Promise<void> {
    assertSupported(request, await this.#isModern());
    const result = await this.#run(request, await this.#podman(request), ['build', service]);
    if (result.exitCode !== 0) throw await failureOf(this.program, request, 'build', result);
  }

  /** Runs a command of it, with this in the place of Podman. */
  async #run(
    request: ComposeRequest,
    podman: string,
    command: string[],
    more: Environment = {},
  ): Promise<ProgramResult> {
    const modern = await this.#isModern();
    const argv = [
      ...this.program.argv,
      `--podman-path=${podman}`,
      `--project-name=${request.name}`,
      // As they are called from there: it writes that on containers.
      ...request.files.map((file) => `--file=${relative(request.directory, file)}`),
      ...(modern ? request.profiles.map((profile) => `--profile=${profile}`) : []),
      ...(modern ? request.envFiles.map((file) => `--env-file=${file}`) : []),
      ...command,
    ];
    const { DOCKER_HOST: host, ...env } = environmentFor(this.program.endpoint, request.env);
    return await runProgram(argv, {
      cwd: request.directory,
      env: { ...env, ...PROJECT_VARIABLES, ...more, CONTAINER_HOST: host },
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
  }

  async #podman(request: ComposeRequest): Promise<string> {
    const podman = await findProgram('podman', request.env);
    if (podman !== undefined) return podman;
    throw new RollbackError('provider-failed', `${this.name} needs the program podman, which is not there`, {
      hint: 'install podman on this machine',
    });
  }

  defaultImage(project: string, service: string): string {
    return `${project}_${service}`;
  }

  /** Podman pulls what is missing. */
  async #assertImages(request: ComposeRequest, services: string[]): Promise<void> {
    const [model, engine] = await Promise.all([
      this.config(request, { allProfiles: true }),
      connectEngine(this.program.endpoint),
    ]);
    for (const service of services) {
      const reference = model.services[service]?.image ?? this.defaultImage(request.name, service);
      if ((await engine.image(reference)) !== undefined) continue;
      throw new RollbackError('provider-failed', `image ${reference} of service ${service} is not there`, {
        hint: 'pull, build or load it first: compose is never let to do so by itself here',
      });
    }
  }

  /** What could be made and not started stays `created`. */
  async #areMade(request: ComposeRequest, services: string[], start: boolean): Promise<boolean> {
    const engine = await connectEngine(this.program.endpoint);
    const containers = (await engine.containers({ project: request.name })).filter(({ oneOff }) => !oneOff);
    return services.every((service) => {
      const own = containers.filter((container) => container.service === service);
      return own.length > 0 && (!start || own.every(({ state }) => state !== 'created'));
    });
  }

  async #isModern(): Promise<boolean> {
    return isAtLeast(await this.version(), '1.1');
  }
}

function assertSupported({ directory, files, envFiles }: ComposeRequest, modern: boolean): void {
  const [first = ''] = files;
  const refuse = (what: string, hint: string): never => {
    throw new RollbackError('not-supported', `podman-compose ${what}`, { hint });
  };
  if (dirname(first) !== directory) {
    refuse(
      'knows no project directory but that of the first compose file',
      'leave --project-directory out, or use docker compose',
    );
  }
  if (!modern && envFiles.length > 0)
    refuse('takes no env file but .env before 1.1', 'install a newer one, or use docker compose');
  if (envFiles.length > 1) refuse('takes one env file, not several', 'use docker compose');
}
