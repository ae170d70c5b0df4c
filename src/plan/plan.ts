import {
  PLAN_FORMAT,
  type Findings,
  type Operation,
  type OperationOf,
  type Plan,
  type PlanOptions,
} from '../model/plan.js';
import type { ComposeModel } from '../model/compose.js';
import type { Observation } from '../model/project.js';
import { notCoveredByPlan } from './coverage.js';
import type { Decision, Decisions } from './decision.js';
import { countEqual } from './changes.js';
import { allFiles, fileChanges, type FileOperation } from './files.js';
import { checkout, submoduleBlockers } from './git.js';
import { fetchImage, retagAfterwards, retagForStart, returnTags, Tags } from './images.js';
import { containerDependencies, goesFirst, tiedTo } from './followers.js';
import { affectedNeighbours } from './neighbours.js';
import {
  networkChanges,
  reconnectByHand,
  reconnectOthers,
  removeNetworks,
  type NetworkChange,
} from './networks.js';
import { needs, waves, type Dependencies } from './order.js';
import { blockers, risks } from './remarks.js';
import { strangerBlockers } from './strangers.js';
import { absolutePath, boundPaths, decide, isUp } from './services.js';
import { usualReplicas, type Target, type Traits } from './target.js';
import { decideVolumes, exchange, keeping, staging, type VolumeDecision } from './volumes.js';

/**
 * What it takes to get from the observed present to the target. Pure: the same arguments give the same plan, and
 * nothing is asked, read or changed. Works towards a point, and back to a safety point, alike.
 */
export function plan(
  observation: Observation,
  target: Target,
  traits: Traits,
  findings: Findings,
  options: PlanOptions,
): Plan {
  const files = fileChanges(observation, target, options);
  const volumes = decideVolumes(target, findings, options);
  const decisions: Decisions = options.configOnly
    ? new Map()
    : decide({ observation, target, findings, files, traits, volumes }, options.services);
  const sequence = new Sequence(observation, target, traits, findings, decisions, volumes);
  const operations = sequence.operations(files.operations, options);
  const { id, timestamp, description, kind } = target.point;
  const unchanged = [...decisions].flatMap(([service, { action }]) => (action === 'keep' ? service : []));
  return {
    format: PLAN_FORMAT,
    kind: options.kind,
    project: observation.project.name,
    target: { id, timestamp, description, kind: target.stored ? kind : 'image' },
    observation: options.fingerprint,
    operations,
    unchanged,
    ...(target.facts ? { equal: countEqual(observation, target, unchanged) } : {}),
    not_covered: notCoveredByPlan(target, options),
    risks: risks(observation, target, findings, files, decisions, volumes, options).concat(
      affectedNeighbours(observation, findings, decisions, operations),
    ),
    blockers: [
      ...(options.configOnly ? [] : strangerBlockers(observation, findings, decisions)),
      ...(options.git ? submoduleBlockers(observation.git, target) : []),
      ...blockers(observation, target, findings, files, decisions, volumes, options.kind === 'return'),
    ],
  };
}

type Starting = Extract<Decision, { action: 'up' | 'start' | 'restart' }>;

/** Puts the decisions into the one order that is safe. */
class Sequence {
  private readonly tags: Tags;
  /** By which things stop. */
  private readonly running: Dependencies;
  /** By which they start. */
  private readonly dependencies: Dependencies;
  private readonly networks: NetworkChange[];

  constructor(
    private readonly observation: Observation,
    private readonly target: Target,
    private readonly traits: Traits,
    private readonly findings: Findings,
    private readonly decisions: Decisions,
    private readonly volumes: VolumeDecision[],
  ) {
    this.tags = new Tags(observation);
    this.networks = networkChanges(observation, target).filter(({ services }) =>
      services.every((service) => decisions.has(service)),
    );
    const joined = containerDependencies(target, observation);
    this.running = union([...presentDependencies(observation, target), ...joined]);
    this.dependencies = target.model ? union([...modelled(target.model), ...joined]) : this.running;
  }

  operations(files: FileOperation[], options: PlanOptions): Operation[] {
    const affected = this.services((decision) => decision.action !== 'keep' && decision.action !== 'cannot');
    const concerned = options.configOnly ? [] : Object.keys(this.target.point.images).toSorted();
    const tagged = concerned.filter((service) => options.services?.includes(service) ?? true);
    // On the way back nothing is asked of services that are failing.
    const returning = options.kind === 'return';
    const retags = options.leaveTags && !returning ? returnTags : retagAfterwards;
    const checkouts = options.git ? checkout(this.observation, this.target) : [];
    const changed = new Set(files.map((file) => file.path));
    const again = checkouts.length > 0 ? allFiles(this.target).filter((file) => !changed.has(file.path)) : [];
    return [
      ...this.fetches(),
      ...staging(this.volumes),
      ...(returning ? [] : affected.flatMap((service) => this.prepare(service))),
      ...(returning ? [] : affected.flatMap((service) => this.hooks(service, 'before'))),
      ...this.stops(),
      ...checkouts,
      ...[...files, ...again].map((file) => this.inPlace(file)),
      ...exchange(this.volumes, returning),
      ...removeNetworks(this.networks),
      ...this.starts(),
      ...this.reconnections(),
      ...retags(this.observation, this.target, tagged, this.tags),
      ...this.reloads(),
      ...affected.flatMap((service) => this.hooks(service, 'after')),
      ...affected.flatMap((service) => this.verify(service)),
      ...keeping(this.volumes, returning),
    ];
  }

  private services(filter: (decision: Decision) => boolean): string[] {
    return [...this.decisions].filter(([, decision]) => filter(decision)).map(([service]) => service);
  }

  private containersOf(service: string) {
    return this.observation.services[service]?.containers ?? [];
  }

  private cause(service: string): string {
    const decision = this.decisions.get(service);
    return decision && decision.action !== 'keep' ? decision.cause : '';
  }

  private stopped(service: string): boolean {
    const decision = this.decisions.get(service);
    if (decision?.action === 'up') return decision.stop;
    return decision !== undefined && ['stop', 'restart', 'remove'].includes(decision.action);
  }

  private started(service: string): boolean {
    const decision = this.decisions.get(service);
    if (decision?.action === 'up') return decision.start;
    return decision !== undefined && ['start', 'restart'].includes(decision.action);
  }

  private willRun(service: string): boolean {
    return this.started(service) || this.decisions.get(service)?.action === 'reload';
  }

  /** Does it run now? What does not can be asked for nothing. */
  private runs(service: string): boolean {
    return this.containersOf(service).some((container) => container.state === 'running');
  }

  /** Missing images, while services run on. */
  private fetches(): Operation[] {
    const made = this.services((decision) => decision.action === 'up');
    const operations = made.flatMap((service) => {
      const wanted = this.target.point.images[service];
      return wanted ? fetchImage(this.observation, this.target, this.findings, wanted) : [];
    });
    return [...new Map(operations.map((operation) => [operation.image, operation])).values()];
  }

  private prepare(service: string): Operation[] {
    const traits = this.traits[service];
    if (!traits?.prepares || !this.stopped(service) || !this.runs(service)) return [];
    return [{ kind: 'prepare', service, handler: traits.kind, cause: `${service} is about to stop` }];
  }

  private hooks(service: string, phase: 'before' | 'after'): Operation[] {
    if (phase === 'before' ? !this.runs(service) : !this.willRun(service)) return [];
    const cause = `configured for ${service}`;
    const hooks = this.traits[service]?.[phase] ?? [];
    return hooks.map((what, index) => ({ kind: 'hook', phase, service, index, what, cause }));
  }

  /** Dependants first. Services of one wave stop together. */
  private stops(): Operation[] {
    const stopping = [...this.decisions.keys()].filter((service) => this.stopped(service));
    return waves(stopping, this.running)
      .toReversed()
      .flatMap((wave): Operation[] => {
        const removed = wave.filter((service) => this.removed(service));
        const stopped = wave.filter(
          (service) => !removed.includes(service) && this.containersOf(service).some(isUp),
        );
        return [
          ...this.onContainers('stop', stopped, (container) => isUp(container)),
          ...this.onContainers('remove', removed, () => true),
        ];
      });
  }

  private removed(service: string): boolean {
    return goesFirst(this.observation, this.target, service, this.decisions.get(service));
  }

  private onContainers(
    kind: 'stop' | 'remove' | 'start',
    services: string[],
    filter: (container: ReturnType<Sequence['containersOf']>[number]) => boolean,
  ): Operation[] {
    if (services.length === 0) return [];
    const containers = services.flatMap((service) => this.containersOf(service).filter(filter));
    return [
      {
        kind,
        services,
        containers: containers.map((container) => container.id),
        cause: this.causes(services),
      },
    ];
  }

  /** `api: it runs …; web: its definition changed`, without the names when there is one service. */
  private causes(services: string[]): string {
    const [first, ...others] = services;
    if (first !== undefined && others.length === 0) return this.cause(first);
    return services.map((service) => `${service}: ${this.cause(service)}`).join('; ');
  }

  /** A rename would leave a running container on the old inode of a file that is mounted by itself. */
  private inPlace(file: FileOperation): Operation {
    if (file.kind !== 'restore-file') return file;
    const path = absolutePath(this.observation.project.directory, file);
    const holders = Object.keys(this.observation.services).filter((service) => !this.stopped(service));
    const held = holders
      .flatMap((service) => this.containersOf(service))
      .some((container) => isUp(container) && boundPaths(this.observation, [container]).includes(path));
    return { ...file, in_place: file.in_place || held };
  }

  /** Dependencies first; a wave waits for the health of those that its services need healthy. */
  private starts(): Operation[] {
    const starting = this.services((decision) => ['up', 'start', 'restart'].includes(decision.action));
    const order = waves(starting, this.dependencies);
    return order.flatMap((wave, index) => {
      const later = order.slice(index + 1).flat();
      const awaited = wave.filter((service) => this.started(service) && this.awaitedBy(service, later));
      return [...this.startWave(wave), ...awaited.flatMap((service) => this.verifyNow(service))];
    });
  }

  private reconnections(): Operation[] {
    const { observation, target, findings, decisions } = this;
    return [
      ...reconnectOthers(this.networks, observation, target, findings),
      ...reconnectByHand(target, decisions, findings.lostNetworks),
    ];
  }

  private awaitedBy(service: string, later: string[]): boolean {
    return later.some((other) => {
      const condition = this.target.model?.services[other]?.depends_on[service]?.condition;
      return condition === 'service_healthy';
    });
  }

  private startWave(wave: string[]): Operation[] {
    const again = wave.filter((service) => this.decisions.get(service)?.action !== 'up');
    const ups = wave.flatMap((service) => {
      const decision = this.decisions.get(service);
      return decision?.action === 'up' ? [{ service, decision }] : [];
    });
    const operations: Operation[] = this.onContainers('start', again, () => true);
    for (const { service, decision } of ups) {
      const retags = retagForStart(this.observation, this.target, this.findings, service, this.tags);
      this.addUp(operations, retags, service, decision);
    }
    return operations;
  }

  /** Joins the wave's running `up` unless a tag moves again in between, or one starts and the other does not. */
  private addUp(
    operations: Operation[],
    retags: Operation[],
    service: string,
    decision: Starting & { action: 'up' },
  ) {
    const last = operations.findLastIndex((operation) => operation.kind === 'up');
    const open = operations[last];
    const ownRefs = retags.flatMap((retag) => (retag.kind === 'retag' ? retag.ref : []));
    const scale = this.scale(service, decision);
    const joins =
      open?.kind === 'up' &&
      open.start === decision.start &&
      open.from === decision.from &&
      open.recreate === decision.recreate &&
      !open.services.some((other) => ownRefs.includes(this.target.point.images[other]?.ref ?? ''));
    if (joins) {
      open.services.push(service);
      Object.assign(open.scale, scale);
      open.cause = this.causes(open.services);
      operations.splice(last, 0, ...retags);
      return;
    }
    const up: OperationOf<'up'> = {
      kind: 'up',
      services: [service],
      scale,
      start: decision.start,
      ...(decision.recreate ? { recreate: true } : {}),
      ...(decision.from ? { from: decision.from } : {}),
      cause: decision.cause,
    };
    operations.push(...retags, up);
  }

  private scale(service: string, decision: Starting & { action: 'up' }): Record<string, number> {
    return usualReplicas(this.target, service) === decision.replicas ? {} : { [service]: decision.replicas };
  }

  private reloads(): Operation[] {
    return [...this.decisions].flatMap(([service, decision]): Operation[] => {
      if (decision.action !== 'reload') return [];
      const handler = this.traits[service]?.kind ?? 'generic';
      return [{ kind: 'reload', service, handler, paths: decision.paths, cause: decision.cause }];
    });
  }

  private readonly verified = new Set<string>();

  private verify(service: string): Operation[] {
    return this.willRun(service) && !this.verified.has(service) ? this.verifyNow(service) : [];
  }

  private verifyNow(service: string): Operation[] {
    this.verified.add(service);
    const traits = this.traits[service];
    const handler = traits?.kind ?? 'generic';
    const settle: Operation[] =
      traits?.settles && this.started(service)
        ? [{ kind: 'settle', service, handler, cause: `${service} has just started` }]
        : [];
    return [...settle, { kind: 'verify', service, handler, cause: this.verifyCause(service) }];
  }

  private verifyCause(service: string): string {
    const dependants = [...this.decisions.keys()].filter((other) => needs(other, service, this.dependencies));
    const waiting = dependants.filter((other) => this.awaitedBy(service, [other]));
    if (waiting.length === 0) return 'it was touched';
    return `${waiting.join(', ')} ${waiting.length > 1 ? 'need' : 'needs'} it healthy`;
  }
}

/** What runs by: today's model, or the point's when there is none, and what compose wrote on the containers. */
function presentDependencies(observation: Observation, target: Target): [string, string[]][] {
  const { model, services } = observation;
  const labelled = Object.values(services).flatMap(({ name, containers }) =>
    // compose writes "redis:service_started:false,db:service_healthy:true"
    containers.map(({ labels }): [string, string[]] => [
      name,
      (labels['com.docker.compose.depends_on'] ?? '')
        .split(',')
        .flatMap((needed) => needed.split(':')[0] || []),
    ]),
  );
  const tied = Object.keys(services).map((name): [string, string[]] => [name, tiedTo(observation, name)]);
  return [...modelled(model ?? target.model), ...labelled, ...tied];
}

function modelled(model: ComposeModel | undefined): [string, string[]][] {
  return Object.entries(model?.services ?? {}).map(([service, { depends_on }]) => [
    service,
    Object.keys(depends_on),
  ]);
}

function union(entries: [string, string[]][]): Dependencies {
  const all = new Map<string, Set<string>>();
  for (const [service, needed] of entries)
    all.set(service, new Set([...(all.get(service) ?? []), ...needed]));
  return all;
}
