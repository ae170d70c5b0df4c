import { messageOf, RollbackError, type ErrorCode } from '../../model/errors.js';
import type { Observation, Project } from '../../model/project.js';
import { observePresent, type Workspace } from '../../session/workspace.js';
import { plural } from '../../plan/text.js';
import { findBuildProblems } from './builds.js';
import type { Diagnosis, Finding } from './finding.js';
import { findMountProblems, toFinding } from './mounts.js';
import { findPodmanProblems } from './podman.js';
import { logRecovery } from './recovery-log.js';
import { findDownServices, findPortConflicts } from './services.js';
import { findMissingOfOthers, findNetworkProblems } from './surroundings.js';

/** What is wrong with the project on its engine, causes before symptoms. Changes nothing; a container of ours may look at a volume. */
export async function diagnose(workspace: Workspace): Promise<Seen> {
  return await findProblems(workspace, await observePresent(workspace));
}

/** As `diagnose`, of what was observed. */
export async function findProblems(workspace: Workspace, observation: Observation): Promise<Seen> {
  const [builds, ports, networks, others, mounts, down] = await Promise.all([
    findBuildProblems(observation),
    findPortConflicts(workspace, observation),
    findNetworkProblems(workspace, observation),
    findMissingOfOthers(workspace, observation),
    findMountProblems(workspace, observation),
    findDownServices(workspace, observation),
  ]);
  const broken = observation.modelError === undefined ? [] : [unresolved(observation.modelError)];
  return {
    directory: workspace.project.directory,
    findings: [
      ...broken,
      ...builds,
      ...ports,
      ...networks,
      ...others,
      ...mounts.problems.map(toFinding),
      ...down,
    ],
    warnings: [...observation.warnings, ...mounts.warnings],
  };
}

function unresolved(words: string): Finding {
  return {
    scenario: 'failed-startup',
    service: null,
    cause: 'the compose files do not resolve',
    evidence: words,
    fix: 'correct them, or go back to a point: compose-rollback rollback',
  };
}

/** A project that could be looked at. */
type Seen = Diagnosis & Pick<Project, 'directory'>;

/** What `look` finds wrong, or what keeps it from looking at all; and what is wrong with Podman. Logged in the project, where `place` is asked for when nobody could look. */
export async function diagnoseAll(
  env: Record<string, string | undefined>,
  look: () => Promise<Seen>,
  place: () => Promise<Pick<Project, 'directory'>>,
): Promise<Diagnosis> {
  const podman = await findPodmanProblems(env);
  const { directory, findings, warnings } = await look().catch(async (error: unknown) => ({
    ...unreachable(error),
    ...(await place()),
  }));
  const all = [...podman, ...findings];
  const told = all.map(({ scenario, service, cause, evidence }) =>
    [scenario, service ?? 'the project', cause, evidence].join(': '),
  );
  const log = await logRecovery(directory, [`diagnose: ${plural(all.length, 'finding')}`, ...told]).then(
    () => [],
    (error: unknown) => {
      if (!(error instanceof RollbackError) || error.code !== 'failed') throw error;
      return [messageOf(error)]; // What was found counts more.
    },
  );
  return { findings: all, warnings: [...warnings, ...log] };
}

const ENGINE_CAUSES: Readonly<Partial<Record<ErrorCode, string>>> = {
  'engine-unreachable': 'no engine answers',
  'engine-not-supported': 'the engine is not supported',
};

/** What keeps the project from being looked at at all is a finding too. Rethrows everything else. */
function unreachable(error: unknown): Diagnosis {
  if (!(error instanceof RollbackError)) throw error;
  const cause = ENGINE_CAUSES[error.code];
  if (cause === undefined) throw error;
  const finding: Finding = {
    scenario: 'failed-startup',
    service: null,
    cause,
    evidence: messageOf(error),
    fix: error.hint ?? 'start the engine',
  };
  return { findings: [finding], warnings: [] };
}
