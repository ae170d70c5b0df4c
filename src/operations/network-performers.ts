import { OWN_NAME } from '../model/facts.js';
import type { OperationOf } from '../model/plan.js';
import { readContainers } from '../project/containers.js';
import type { Workspace } from '../session/workspace.js';
import { DONE, type Performers } from './executor.js';

type NetworkPerformers = Pick<Performers, 'disconnect' | 'remove-network' | 'connect'>;

/** How containers are taken out of networks and connected again. */
export function networkPerformers({ engine, project }: Workspace): NetworkPerformers {
  const containersOf = async (services: string[]) => {
    const { replicas } = await readContainers(engine, project);
    return replicas.filter(({ service }) => service !== undefined && services.includes(service));
  };

  /** Undefined for one that is gone meanwhile: nothing is to be connected then. */
  const find = async ({ container, service, replica }: OperationOf<'connect'>) => {
    if (container !== null) return await engine.container(container);
    const replicas = await containersOf(service === null ? [] : [service]);
    return replicas.toSorted((a, b) => (a.number ?? 0) - (b.number ?? 0))[replica];
  };

  return {
    disconnect: async ({ network, containers, services }) => {
      const own = await containersOf(services);
      for (const container of [...own.map(({ id }) => id), ...containers]) {
        await engine.disconnect(network, container);
      }
      return DONE;
    },
    'remove-network': async ({ network }) => {
      await engine.removeNetwork(network);
      return DONE;
    },
    connect: async (operation) => {
      const { network, membership } = operation;
      const found = await find(operation);
      if (!found) return DONE;
      // The provider may have connected it in another way.
      if (found.settings[`network.${network}`] !== undefined) await engine.disconnect(network, found.id);
      const aliases = membership.aliases.map((alias) => (alias === OWN_NAME ? found.name : alias));
      await engine.connect(network, found.id, { ...membership, aliases });
      return DONE;
    },
  };
}
