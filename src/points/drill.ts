import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkHealth, verifyService } from '../handlers/verify.js';
import type { ComposeModel } from '../model/compose.js';
import { RollbackError } from '../model/errors.js';
import { fail, type Verdict } from '../model/verdict.js';
import { dependenciesOf, waves } from '../plan/order.js';
import type { Target } from '../plan/target.js';
import { explained } from '../store/files.js';
import {
  composeRequest,
  handlerContext,
  handlerOf,
  withLabels,
  type Workspace,
} from '../session/workspace.js';
import { drillModel, mountSources } from './drill-model.js';
import { provideFiles, provideImages, provideMounts } from './drill-parts.js';
import { beginDrill, removeTraces, sweepDrills, type Drill } from './drill-traces.js';
import { findTarget } from './find.js';

/** What restoring a point beside the project has shown. */
export interface DrillReport {
  id: string;
  /** By service: those that ran at the point. */
  verdicts: Record<string, Verdict>;
  /** What the drill could not have as the project has it. */
  warnings: string[];
}

/**
 * Restores a point into a project that exists for this alone, has the handlers look at its services, and takes it away again, whatever happens.
 * The project itself is not touched. Throws `interrupted` when aborted, `failed` when something of the point cannot be restored at all,
 * and as opening the point does.
 */
export async function drillPoint(plain: Workspace, selector: string): Promise<DrillReport> {
  const target = await findTarget(plain.store, plain.project.name, selector);
  await sweepDrills(plain, { everywhere: true });
  const drill = await beginDrill(plain);
  try {
    return await rehearse(plain, drill, target);
  } catch (error) {
    if (!plain.signal.aborted) throw error;
    throw new RollbackError('interrupted', 'interrupted; nothing of the drill is left', { cause: error });
  } finally {
    await takeAway(plain, drill);
  }
}

async function takeAway(workspace: Workspace, { mark, project }: Drill): Promise<void> {
  try {
    await removeTraces(workspace, mark);
  } catch (error) {
    if (!(error instanceof RollbackError)) throw error;
    throw new RollbackError('failed', `the drill ${project} could not be taken away: ${error.message}`, {
      hint: 'the next drill, or command that writes, tries again',
      cause: error,
    });
  }
}

async function rehearse(plain: Workspace, drill: Drill, target: Target): Promise<DrillReport> {
  const { point, model, variables } = target;
  if (!model) {
    throw new RollbackError('failed', `point ${point.id} has no compose model: its files did not parse`, {
      hint: 'use another point',
    });
  }
  const { emit, signal } = plain;
  emit({
    type: 'phase',
    phase: 'observe',
    message: `Restoring ${point.id} beside the project, as ${drill.project}`,
  });
  const ran = Object.keys(point.containers).filter((name) => point.containers[name]?.state === 'running');
  const services = ran.filter((name) => Object.hasOwn(model.services, name));
  const { images, warnings } = await provideImages(plain, drill, point, services);
  await provideFiles(plain, drill, point);
  const found = await provideMounts(plain, drill, point, mountSources(model, point.project.name, services));
  const parts = { project: point.project.name, mark: drill.mark, images, mounts: found.mounts };
  const { document, warnings: leftOut } = drillModel(model, parts);
  const file = join(drill.directory, 'compose.json');
  await explained('write the compose file of the drill', () =>
    writeFile(file, JSON.stringify(document), { mode: 0o600 }),
  );

  const project = {
    name: drill.project,
    directory: drill.directory,
    files: [file],
    origin: 'told' as const,
    profiles: [],
    envFiles: [],
  };
  const { workspace, unasked } = withoutElsewhere(await withLabels(plain, model));
  const stage = new Stage({ ...workspace, project }, target, model);
  const { signal: _, ...request } = composeRequest(plain, project, variables);
  emit({ type: 'phase', phase: 'apply', message: `Starting ${services.join(', ')}` });
  for (const wave of waves(services, dependenciesOf(model))) {
    const ready = await stage.ready(wave);
    // Without the signal: what was begun is finished, so that all of it is found.
    signal.throwIfAborted();
    await stage.start(ready, (names) => plain.provider.up(request, names, { start: true, scale: {} }));
  }
  emit({ type: 'phase', phase: 'verify', message: `Verifying ${services.join(', ')}` });
  const verdicts = await stage.verify(services);
  const strangers = ran
    .filter((name) => !services.includes(name))
    .map((name) => `${name} ran at the point and is in none of its compose files: it was not tried`);
  const remarks = [...warnings, ...found.warnings, ...leftOut, ...unasked, ...strangers];
  return { id: point.id, verdicts, warnings: remarks };
}

/** Without probes that ask a whole URL: what answers there is not the drill. */
function withoutElsewhere(workspace: Workspace): { workspace: Workspace; unasked: string[] } {
  const unasked: string[] = [];
  const services = Object.entries(workspace.config.services).map(([name, service]) => {
    const probes = service.probes.filter((probe) => !('http' in probe) || probe.http.startsWith('/'));
    if (probes.length < service.probes.length)
      unasked.push(`${name}: probes of whole URLs do not ask the drill and were left out`);
    return [name, { ...service, probes }] as const;
  });
  return {
    workspace: { ...workspace, config: { ...workspace.config, services: Object.fromEntries(services) } },
    unasked,
  };
}

/** The services of a drill as they come up, and what is known of them by then. */
class Stage {
  readonly #known = new Map<string, Verdict>();

  constructor(
    private readonly workspace: Workspace,
    private readonly target: Target,
    private readonly model: ComposeModel,
  ) {}

  /** Those of a wave whose dependencies are as they want them; the others are failures from then on. */
  async ready(services: string[]): Promise<string[]> {
    for (const service of services) {
      for (const [needed, { condition }] of Object.entries(this.model.services[service]?.depends_on ?? {})) {
        if (this.target.point.containers[needed]?.state !== 'running') continue;
        if (condition === 'service_healthy') await this.#awaitHealth(needed);
        if (this.#known.get(needed)?.status === 'fail') {
          this.#known.set(service, fail(`was not started: it needs ${needed}, which is not well`));
        }
      }
    }
    return services.filter((service) => !this.#known.has(service));
  }

  /** One that compose cannot start is a failure of that service alone; what compose says of it is its reason. */
  async start(services: string[], up: (services: string[]) => Promise<void>): Promise<void> {
    try {
      await up(services);
    } catch (error) {
      if (!(error instanceof RollbackError) || error.code !== 'provider-failed') throw error;
      const [service, ...others] = services;
      if (others.length > 0) {
        for (const each of services) await this.start([each], up);
      } else if (service !== undefined) {
        const reason = error.details.findLast((line) => line.trim() !== '') ?? error.message;
        this.#known.set(service, fail(`could not be started: ${reason.trim()}`));
      }
    }
  }

  async verify(services: string[]): Promise<Record<string, Verdict>> {
    const verdicts = services.map(async (service) => {
      const verdict = this.#known.get(service) ?? (await this.#verify(service));
      this.workspace.emit({ type: 'verdict', service, verdict });
      return [service, verdict] as const;
    });
    return Object.fromEntries(await Promise.all(verdicts));
  }

  async #verify(service: string): Promise<Verdict> {
    const context = this.#context(service);
    const settled = await this.#handler(service).settle?.(context);
    return settled?.status === 'fail' ? settled : await verifyService(this.#handler(service), context);
  }

  async #awaitHealth(service: string): Promise<void> {
    if (this.#known.has(service)) return;
    const verdict = await checkHealth(this.#handler(service), this.#context(service));
    if (verdict.status === 'fail') this.#known.set(service, verdict);
  }

  #context(service: string) {
    return handlerContext(this.workspace, service, this.model);
  }

  #handler(service: string) {
    return handlerOf(this.workspace, service, this.target.point.images[service]?.ref ?? '');
  }
}
