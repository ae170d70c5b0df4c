import type { Scenario } from '../../model/recovery.js';
import { observePresent, withLabels, type Workspace } from '../../session/workspace.js';
import { findProblems } from '../diagnose/diagnose.js';
import type { Finding } from '../diagnose/finding.js';
import { findMountProblems } from '../diagnose/mounts.js';
import { findUnbuilt, planBuilds } from './builds.js';
import { findUnreachable, planNetworks } from './networks.js';
import { findPermissionProblems, planPermissions, type Caller } from './permissions.js';
import { recover, type Recovery, type RecoverRequest, type Remedy } from './recovery.js';
import type { Scene } from './services.js';
import { planStartup } from './startup.js';
import { planVolumes } from './volumes.js';

type OfProject = Exclude<Scenario, 'permission-issues'>;

interface Way {
  /** What takes longer to find than `diagnose` should. */
  more?: (scene: Scene) => Promise<Finding[]>;
  plan: (scene: Scene, findings: Finding[]) => Remedy | Promise<Remedy>;
}

/** How each scenario is mended. */
const WAYS: Record<OfProject, Way> = {
  'failed-build': { more: findUnbuilt, plan: planBuilds },
  'failed-startup': { plan: planStartup },
  'network-issues': { more: findUnreachable, plan: planNetworks },
  'volume-issues': {
    plan: async (scene) => {
      const { problems } = await findMountProblems(scene.workspace, scene.observation);
      return await planVolumes(scene, problems);
    },
  },
};

/** Mends what is wrong with a project in one way. The caller holds its lock, unless it is a dry run. Throws as `recover`. */
export async function recoverProject(
  workspace: Workspace,
  scenario: OfProject,
  request: RecoverRequest,
): Promise<Recovery> {
  const { more, plan } = WAYS[scenario];
  const look = async () => {
    const scene = await sceneOf(workspace);
    const { findings, warnings } = await findProblems(scene.workspace, scene.observation);
    const all = [...findings, ...((await more?.(scene)) ?? [])];
    return { findings: all, warnings, plan: async (own: Finding[]) => plan(scene, own) };
  };
  return await recover({ scenario, directory: workspace.project.directory, look }, request);
}

async function sceneOf(workspace: Workspace): Promise<Scene> {
  const observation = await observePresent(workspace);
  return { workspace: await withLabels(workspace, observation.model), observation };
}

/** Mends what keeps Podman from starting for the calling user. Throws as `recover`. */
export async function recoverPodman(caller: Caller, request: RecoverRequest): Promise<Recovery> {
  const plan = (findings: Finding[]) => planPermissions(caller, findings);
  const look = async () => ({ ...(await findPermissionProblems(caller)), plan });
  return await recover({ scenario: 'permission-issues', directory: caller.directory, look }, request);
}
