import type { ComposeModel } from '../model/compose.js';
import type { Container } from '../model/engine.js';
import type { Findings } from '../model/plan.js';
import type { Workspace } from '../session/workspace.js';
import { sortContainers } from '../project/containers.js';
import { findListeners, programWith, type Listeners } from '../store/sockets.js';

/** Whether the host ports that services publish are free for them. */

interface Published {
  service: string;
  hostIp: string;
  port: number;
  protocol: string;
}

/** Fixed host ports of a model. Ranges and ephemeral ports are the engine's to choose. */
function published(model: ComposeModel): Published[] {
  return Object.entries(model.services).flatMap(([service, { ports }]) =>
    ports.flatMap(({ published: port, host_ip, protocol }) =>
      port && /^\d+$/.test(port) ? [{ service, hostIp: host_ip ?? '', port: Number(port), protocol }] : [],
    ),
  );
}

/** Ports that the model publishes and others hold; by whom. */
export async function findTakenPorts(
  workspace: Workspace,
  model: ComposeModel | undefined,
  listContainers = () => workspace.engine.containers(),
): Promise<Findings['takenPorts']> {
  const wanted = model ? published(model) : [];
  if (wanted.length === 0) return [];
  const { project } = workspace;
  const [containers, listening] = await Promise.all([
    listContainers(),
    workspace.identity.local ? findListeners() : new Map<number, Set<string>>(),
  ]);
  const own = new Set((await sortContainers(project, containers)).replicas.map(({ id }) => id));
  const taken = wanted.map(async (port) => {
    const holder = await holderOf(port, containers, listening, own);
    return holder
      ? [{ service: port.service, port: `${port.hostIp || '*'}:${port.port}/${port.protocol}`, holder }]
      : [];
  });
  return (await Promise.all(taken)).flat();
}

/** Who of others holds the port; the project's own containers make way. */
async function holderOf(
  { hostIp, port, protocol }: Published,
  containers: Container[],
  listening: Listeners,
  own: ReadonlySet<string>,
): Promise<string | undefined> {
  const overlaps = (other: string) =>
    [hostIp, other].some((ip) => ['', '0.0.0.0', '::'].includes(ip)) || hostIp === other;
  const holders = containers.filter((container) =>
    container.ports.some(
      (held) => held.hostPort === port && held.protocol === protocol && overlaps(held.hostIp),
    ),
  );
  if (holders.some(({ id }) => own.has(id))) return undefined;
  const [holder] = holders;
  if (holder) return `container ${holder.name}${holder.project ? ` of project ${holder.project}` : ''}`;
  const sockets = protocol === 'tcp' ? listening.get(port) : undefined;
  return sockets && ((await programWith(sockets)) ?? 'another program on this machine');
}
