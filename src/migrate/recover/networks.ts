import { setTimeout as delay } from 'node:timers/promises';
import { execIn } from '../../handlers/exec.js';
import type { Container } from '../../model/engine.js';
import { handlerContext } from '../../session/workspace.js';
import type { Finding } from '../diagnose/finding.js';
import type { Remedy } from './recovery.js';
import {
  bringingUp,
  findUnnamedVolumes,
  removing,
  servicesOf,
  stopping,
  withFollowers,
  type Scene,
} from './services.js';

/** Networks that are gone come with new containers, and who was cut off is in them again. */
export function planNetworks(scene: Scene, findings: Finding[]): Remedy {
  const services = withFollowers(scene, servicesOf(findings));
  return {
    obstacles: [
      ...findings.filter(({ service }) => service === null),
      ...findUnnamedVolumes(scene, 'network-issues', services),
    ],
    steps: [...stopping(scene, services), ...removing(scene, services), ...bringingUp(scene, services)],
  };
}

/** Programs that find an address by name. Which of them an image has is its own business. */
const RESOLVERS = [['getent', 'hosts'], ['nslookup']];

/** Services that run in one network and do not find or reach each other in it. */
export async function findUnreachable(scene: Scene): Promise<Finding[]> {
  const running = Object.values(scene.observation.services).flatMap(({ name, containers }) =>
    containers.filter(({ state }) => state === 'running').map((container) => ({ name, container })),
  );
  const pairs = running.flatMap((from) =>
    running
      .filter((to) => to.name !== from.name && sharedAddresses(from.container, to.container).length > 0)
      .map((to) => ({ from, to })),
  );
  const found: Finding[] = [];
  // One after the other: each starts a program in a container.
  for (const { from, to } of pairs) found.push(...(await findBetween(scene, from, to)));
  return found;
}

/** A program that found nothing for as long has asked more than once itself. */
const PATIENCE_MS = 3000;
const PAUSE_MS = 500;

/** In the engines' own networks nobody is found by name. */
const NAMELESS = ['bridge', 'podman'];

/** Addresses of the other in networks that both are in. */
function sharedAddresses({ addresses: own }: Container, { addresses }: Container): string[] {
  return Object.entries(addresses).flatMap(([network, address]) =>
    network in own && address !== '' && !NAMELESS.includes(network) ? [address] : [],
  );
}

interface Member {
  name: string;
  container: Container;
}

/** What stays wrong: Podman's name server refuses for a moment whenever a network of anybody's changes, and a packet may get lost. */
async function findBetween(scene: Scene, from: Member, to: Member): Promise<Finding[]> {
  const { signal } = scene.workspace;
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await ask(scene, from, to);
    if (found.length === 0 || performance.now() > until) return found;
    await delay(PAUSE_MS, undefined, { signal });
  }
}

async function ask(scene: Scene, from: Member, to: Member): Promise<Finding[]> {
  const { workspace, observation } = scene;
  const context = handlerContext(workspace, from.name, observation.model);
  const finding = {
    scenario: 'network-issues' as const,
    service: from.name,
    fix: 'compose-rollback migrate recover network-issues makes its containers anew',
  };
  const replicas = observation.services[to.name]?.containers ?? [];
  const addresses = replicas.flatMap((replica) => sharedAddresses(from.container, replica));
  for (const resolver of RESOLVERS) {
    const answer = await execIn(context, from.container, [...resolver, to.name]);
    if (answer.kind !== 'ended') continue;
    const words = answer.stdout + answer.stderr;
    if (addresses.some((address) => words.split(/[\s()]+/).includes(address))) break;
    const evidence = `${to.name} is not ${addresses.join(' or ')} in ${from.container.name}`;
    return [{ ...finding, cause: 'it does not find another service by its name', evidence }];
  }
  const [address = ''] = sharedAddresses(from.container, to.container);
  const ping = await execIn(context, from.container, ['ping', '-c', '1', '-W', '2', address]);
  if (ping.kind !== 'ended' || !/\b100% packet loss/.test(ping.stdout)) return [];
  const evidence = `${from.container.name} gets no answer from ${to.name} (${address})`;
  return [{ ...finding, cause: 'it does not reach another service', evidence }];
}
