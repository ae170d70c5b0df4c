import { findProvider } from '../../engine/providers.js';
import type { Endpoint } from '../../engine/endpoint.js';
import type { ComposeModel } from '../../model/compose.js';
import { RollbackError } from '../../model/errors.js';
import { CATEGORIES, type Check, type Readiness } from '../../model/readiness.js';
import { lookAtSources } from '../bind-sources.js';
import { checksOf } from './checks.js';
import { dockerResults, podmanResults } from './engines.js';
import { permissionResults, securityResults, systemResults } from './machine.js';
import { backupResults, networkResults, portChecks } from './project.js';
import { differencesOnPodman, gravestFirst, type Surroundings } from '../fit/fit.js';
import { makeMissingSources } from './fix.js';
import { lookAtMachine, type Machine } from './machine-facts.js';
import { askPodman, type Podman } from './podman-facts.js';
import { writeReport } from './report.js';
import type { Source } from '../source.js';

export interface ValidateRequest {
  /** Make what is safe to make: bind sources inside the project that are not there. */
  fixIssues?: boolean | undefined;
  /** Only machine and engines: what the compose files ask for is not held against Podman. */
  verifyOnly?: boolean | undefined;
  /** Write the report into the project directory too, with everything. */
  exportReport?: boolean | undefined;
}

/** Who asks. */
export interface Caller {
  env: Record<string, string | undefined>;
  user: string;
}

interface Target {
  rootless: boolean;
  provider: { name: string; version: string } | undefined;
  /** What there is of Podman, working or not. */
  found: Podman | { problem: string } | undefined;
  /** Where it works. */
  podman: Podman | undefined;
}

/** What stands in the way of moving a project from Docker to this machine's Podman. Whatever is absent or broken is a finding. */
export async function validate(source: Source, caller: Caller, request: ValidateRequest): Promise<Readiness> {
  const [machine, target] = await Promise.all([lookAtMachine(caller.env, caller.user), lookAtTarget(caller)]);
  const { model, project } = source;
  const fixed = request.fixIssues && model ? await makeMissingSources(project.directory, model) : [];
  const differences =
    model && !request.verifyOnly
      ? differencesOnPodman(model, await surroundingsOf(machine, target, model))
      : [];
  const checks = [...(await prerequisites(source, machine, target)), ...differences];
  const readiness: Readiness = {
    project: project.name,
    directory: project.directory,
    verdict: verdictOf(checks),
    target: {
      podman: target.podman?.version ?? null,
      rootless: target.rootless,
      provider: target.provider?.name ?? null,
    },
    checks: CATEGORIES.flatMap((category) =>
      checks.filter((check) => check.category === category).toSorted(gravestFirst),
    ),
    fixed,
    report: null,
  };
  return request.exportReport ? { ...readiness, report: await writeReport(readiness) } : readiness;
}

async function prerequisites(source: Source, machine: Machine, target: Target): Promise<Check[]> {
  const { podman, found, provider, rootless } = target;
  const [system, permissions, backup] = await Promise.all([
    systemResults(machine, source, podman),
    permissionResults(machine, source, rootless),
    backupResults(source),
  ]);
  return [
    ...checksOf('system', system),
    ...checksOf('docker', dockerResults(source)),
    ...checksOf('podman', podmanResults(machine, found, provider, rootless)),
    ...checksOf('permissions', permissions),
    ...checksOf('network', networkResults(machine, podman, rootless)),
    ...portChecks(source),
    ...checksOf('security', securityResults(machine, podman, rootless)),
    ...checksOf('backup', backup),
  ];
}

async function lookAtTarget({ env }: Caller): Promise<Target> {
  const [found, provider] = await Promise.all([askPodman(env), targetProvider(env)]);
  const podman = found && 'version' in found ? found : undefined;
  return { found, podman, provider, rootless: podman?.rootless ?? process.geteuid?.() !== 0 };
}

/** Which program it is does not depend on where the engine is. */
const NOWHERE: Endpoint = {
  host: 'unix:///run/podman/podman.sock',
  certPath: undefined,
  sshAgent: undefined,
  origin: 'nobody',
};

/** docker compose works over Podman's socket; podman-compose where that is all there is. */
async function targetProvider(env: Caller['env']): Promise<Target['provider']> {
  try {
    const provider = await findProvider({ endpoint: NOWHERE, env });
    return { name: provider.name, version: await provider.version() };
  } catch (error) {
    if (error instanceof RollbackError && error.code === 'provider-failed') return undefined;
    throw error;
  }
}

async function surroundingsOf(
  machine: Machine,
  { podman, provider, rootless }: Target,
  model: ComposeModel,
): Promise<Surroundings> {
  return {
    // Where there is none yet: what Debian 12 would install.
    podmanVersion: podman?.version ?? '4.3.1',
    networkDrivers: podman?.networkDrivers ?? ['bridge', 'macvlan'],
    logDrivers: podman?.logDrivers ?? ['k8s-file', 'none', 'passthrough', 'journald'],
    searched: podman?.searched ?? [],
    cgroups: podman?.cgroups ?? 'v2',
    selinux: podman?.selinux ?? false,
    apparmor: podman?.apparmor ?? false,
    rootless,
    provider: provider?.name === 'podman-compose' ? 'podman-compose' : 'docker compose',
    providerVersion: provider?.version ?? '',
    systemd: machine.systemd,
    lowestPort: machine.lowestPort,
    sources: await lookAtSources(model),
  };
}

function verdictOf(checks: Check[]): Readiness['verdict'] {
  if (checks.some(({ grade }) => grade === 'critical')) return 'NOT READY';
  return checks.some(({ grade }) => grade === 'warning') ? 'READY WITH WARNINGS' : 'READY';
}
