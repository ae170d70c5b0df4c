import type { Network } from '../model/engine.js';
import type { Membership } from '../model/facts.js';
import { DockerApi } from './docker-api.js';
import { toNetwork } from './docker-mapping.js';

/** The networks of an engine by the Docker API. */
export class DockerNetworks extends DockerApi {
  async hasNetwork(name: string): Promise<boolean> {
    // The engine matches parts of names and ids too.
    const networks = await this.asked(() => this.docker.listNetworks({ filters: { name: [name] } }));
    return networks.some((network) => network.Name === name);
  }

  async network(name: string): Promise<Network | undefined> {
    const filters = { network: [name] };
    const [document, members] = await Promise.all([
      this.asked(() => this.docker.getNetwork(name).inspect(), 404),
      // The inspection has running containers only.
      this.asked(() => this.docker.listContainers({ all: true, filters }), 404),
    ]);
    // The engine finds parts of ids too.
    if (document?.Name !== name) return undefined;
    return toNetwork(document, members?.map(({ Id }) => Id) ?? []);
  }

  async connect(network: string, container: string, membership: Membership): Promise<void> {
    const { aliases, ipv4, ipv6, mac, link_local, links, driver_options, gw_priority } = membership;
    const endpoint = {
      Aliases: aliases,
      IPAMConfig: { IPv4Address: ipv4, IPv6Address: ipv6, LinkLocalIPs: link_local },
      MacAddress: mac,
      Links: links,
      DriverOpts: driver_options,
      GwPriority: gw_priority,
    };
    const request = { Container: container, EndpointConfig: endpoint };
    // 403: it is connected already.
    await this.ask(this.docker.getNetwork(network).connect(request), 403);
  }

  async disconnect(network: string, container: string): Promise<void> {
    const request = { Container: container, Force: true };
    await this.ask(this.docker.getNetwork(network).disconnect(request), 403, 404);
  }

  async removeNetwork(id: string): Promise<void> {
    await this.ask(this.docker.getNetwork(id).remove(), 404);
  }
}
