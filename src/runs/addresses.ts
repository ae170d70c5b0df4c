import { networkInterfaces } from 'node:os';
import { subnetHolds } from '../model/addresses.js';
import type { Container } from '../model/engine.js';
import { parseMembership } from '../model/facts.js';
import type { Findings } from '../model/plan.js';
import { toRanges } from '../plan/addresses.js';
import { text } from '../plan/definition-values.js';
import type { Workspace } from '../session/workspace.js';

/** Subnets and addresses that are in use on the engine. */
export async function findAddressing(
  { engine, identity }: Workspace,
  listed: Promise<Container[]>,
): Promise<Findings['addressing']> {
  const [all, containers] = await Promise.all([engine.networks(), listed]);
  const networks = Object.fromEntries(
    all.map(({ name, settings }) => [
      name,
      { driver: text(settings['driver']) || 'bridge', ranges: toRanges(settings['subnets']) },
    ]),
  );
  // Docker makes a network over a subnet of the machine when it is told to, Podman refuses (measured, 28.5.2 and 5.8.6).
  const refuses = identity.kind === 'podman' && identity.local;
  const isBridge = (address: string) =>
    Object.values(networks).some(({ ranges }) => ranges.some(({ subnet }) => subnetHolds(subnet, address)));
  const machine = Object.entries(refuses ? networkInterfaces() : {}).flatMap(([name, addresses = []]) =>
    addresses.flatMap(({ address, cidr }) =>
      cidr === null || isBridge(address) ? [] : { name, subnet: cidr },
    ),
  );
  const held = containers
    .filter(({ state }) => ['running', 'paused', 'restarting'].includes(state))
    .flatMap(({ id, name, addresses, settings }) => [
      ...Object.entries(addresses).map(([network, address]) => ({ container: id, name, network, address })),
      // The engine's list has one address of each network.
      ...Object.entries(settings).flatMap(([key, value]) => {
        const ipv6 = key.startsWith('network.') ? parseMembership(value).ipv6 : undefined;
        return ipv6 === undefined
          ? []
          : { container: id, name, network: key.slice('network.'.length), address: ipv6 };
      }),
    ]);
  return { networks, machine, held };
}
