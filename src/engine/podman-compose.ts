import { dirname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ComposeModel } from '../model/compose.js';
import type { Container } from '../model/engine.js';
import { RollbackError } from '../model/errors.js';
import { ComposeBase, composeVersion, failureOf, PROJECT_VARIABLES } from './compose-program.js';
import { connectEngine } from './connect.js';
import { environmentFor, type Environment } from './endpoint.js';
import type { Engine } from './engine.js';
import { dialectOf, separatorOf, type Dialect } from './podman-compose-dialect.js';
import { runProgram, type ProgramResult } from './program.js';
import type { ComposeProvider, ComposeRequest } from './provider.js';
import { findProgram } from './search-path.js';

/** Both from `src/engine/` and from the bundle's `dist/chunks/`. */
const GATE = fileURLToPath(new URL('../../dist/podman-gate.sh', import.meta.url));

/**
 * podman-compose, 1.0.3 and later. It starts what a service depends on whether that has run or not, ties containers to each other from 1.0.6 on, takes down what it thinks has
 * changed, pulls from 1.6 on, and before 1.4 ends well whatever Podman says. So it only makes containers, through a gate that lets no others through than those of the services
 * that were asked for; they are looked at and started by us. Before 1.1 it has no profiles and no env files but `.env`.
 */
export class PodmanCompose extends ComposeBase implements ComposeProvider {
  override readonly replaces = false;

  /** Asked for less it says nothing before 1.1. */
  protected override askVersion(): Promise<string> {
    return composeVersion(this.program, ['version'], this.env);
  }

  /** As this version understands the files, read by us: it prints no model before 1.1, and never one of a service's defaults. */
  async config(request: ComposeRequest, options: { allProfiles?: boolean } = {}): Promise<ComposeModel> {
    const [dialect, { readPodmanModel }] = await Promise.all([
      this.#dialect(),
      import('./podman-compose-model.js'),
    ]);
    assertSupported(request, dialect);
    return await readPodmanModel(request, dialect, options.allProfiles ?? false);
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
    assertSupported(request, await this.#dialect());
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
    const model = await this.config(request, { allProfiles: true });
    const engine = await connectEngine(this.program.endpoint);
    await this.#assertImages(engine, model, request, services);
    const gate = {
      COMPOSE_ROLLBACK_GATE_PROGRAM: podman,
      COMPOSE_ROLLBACK_GATE_SERVICES: ` ${services.join(' ')} `,
      COMPOSE_ROLLBACK_GATE_POLICIES: ` ${services.filter((service) => handsPolicyOn(model, service)).join(' ')} `,
    };
    const command = ['up', '--no-start', '--no-deps', '--no-build', '--', ...services];
    const result = await this.#run(request, GATE, command, gate);
    const made = await containersOf(engine, request, services);
    if (result.exitCode !== 0 || services.some((service) => !made.some((one) => one.service === service))) {
      throw await failureOf(this.program, request, 'up', result);
    }
    if (start) await this.#startMade(engine, made);
  }

  async #startMade(engine: Engine, made: Container[]): Promise<void> {
    for (const { id, name, state } of made) {
      if (state !== 'created') continue;
      await engine.start(id).catch((thrown: unknown) => {
        if (!(thrown instanceof RollbackError) || thrown.code !== 'failed') throw thrown;
        throw new RollbackError(
          'provider-failed',
          `${this.name} made container ${name}, which does not start`,
          {
            hint: 'the last lines are those of Podman',
            details: [thrown.message],
            cause: thrown,
          },
        );
      });
    }
  }

  override async build(request: ComposeRequest, service: string): Promise<void> {
    assertSupported(request, await this.#dialect());
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
    const { modern } = await this.#dialect();
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

  defaultImage(project: string, service: string, model: ComposeModel | undefined): string {
    return `${project}${separatorOf(model)}${service}`;
  }

  /** Podman pulls what is missing. */
  async #assertImages(
    engine: Engine,
    model: ComposeModel,
    request: ComposeRequest,
    services: string[],
  ): Promise<void> {
    for (const service of services) {
      const reference = model.services[service]?.image ?? this.defaultImage(request.name, service, model);
      if ((await engine.image(reference)) !== undefined) continue;
      throw new RollbackError('provider-failed', `image ${reference} of service ${service} is not there`, {
        hint: 'pull, build or load it first: compose is never let to do so by itself here',
      });
    }
  }

  async #dialect(): Promise<Dialect> {
    return dialectOf(await this.version());
  }
}

/** Replicas of these services, in the order in which they were named. Others of the name block a run before anything is asked of a provider. */
async function containersOf(
  engine: Engine,
  { name }: ComposeRequest,
  services: string[],
): Promise<Container[]> {
  const containers = (await engine.containers({ project: name })).filter(
    ({ configHash, oneOff }) => configHash !== undefined && !oneOff,
  );
  return services.flatMap((service) => containers.filter((container) => container.service === service));
}

function handsPolicyOn({ services }: ComposeModel, service: string): boolean {
  const policy = services[service]?.['pull_policy'];
  return policy !== undefined && policy !== null && policy !== 'build';
}

function assertSupported({ directory, files, envFiles }: ComposeRequest, { modern }: Dialect): void {
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
