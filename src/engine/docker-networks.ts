import { RollbackError } from '../model/errors.js';
import type { Network } from '../model/engine.js';
import type { Membership } from '../model/facts.js';
import { DockerApi } from './docker-api.js';
import { describeNetwork } from './docker-mapping.js';

/** The networks of an engine by the Docker API. */
export class DockerNetworks extends DockerApi {
  async hasNetwork(name: string): Promise<boolean> {
    // The engine matches parts of names and ids too.
    const networks = await this.asked(() => this.docker.listNetworks({ filters: { name: [name] } }));
    return networks.some((network) => network.Name === name);
  }

  async networks(): Promise<Omit<Network, 'members'>[]> {
    const documents = await this.asked(() => this.docker.listNetworks());
    return documents.map(describeNetwork);
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
    return { ...describeNetwork(document), members: members?.map(({ Id }) => Id) ?? [] };
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
    // Measured, 28.5.2: a stopped container is connected to a network that is not there, and never starts again.
    await this.asked(() => this.docker.getNetwork(network).inspect());
    await this.#changeTo(true, network, container, this.docker.getNetwork(network).connect(request));
  }

  async disconnect(network: string, container: string): Promise<void> {
    const request = { Container: container, Force: true };
    await this.#changeTo(false, network, container, this.docker.getNetwork(network).disconnect(request));
  }

  /**
   * A change that fails is done all the same when the container is connected, or not, as wanted: 403 stands for "connected already" and for "not to
   * this network", and a stopped container that is not connected is a server error (measured, 28.5.2).
   */
  async #changeTo(
    isWanted: boolean,
    network: string,
    container: string,
    request: Promise<unknown>,
  ): Promise<void> {
    try {
      await this.ask(request);
    } catch (thrown) {
      if (!(thrown instanceof RollbackError) || thrown.code !== 'failed') throw thrown;
      if ((await this.#isConnected(network, container)) !== isWanted) throw thrown;
    }
  }

  async #isConnected(network: string, container: string): Promise<boolean> {
    const found = await this.asked(() => this.containerAt(container).inspect(), 404);
    return Object.hasOwn(found?.NetworkSettings.Networks ?? {}, network);
  }

  async removeNetwork(id: string): Promise<void> {
    await this.ask(this.docker.getNetwork(id).remove(), 404);
  }
}
