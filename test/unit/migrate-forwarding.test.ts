import { expect, it } from 'vitest';
import { forwardingOf } from '../../src/migrate/validate/forwarding.js';

/** The chains of the table `filter`, as `iptables -S` prints them. */

const DOCKER = `-P INPUT ACCEPT
-P FORWARD DROP
-P OUTPUT ACCEPT
-N DOCKER
-N DOCKER-FORWARD
-N DOCKER-USER
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER-FORWARD -i docker0 -j ACCEPT`;

it.each([
  ['no Docker', '-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT', 'open'],
  ['Docker', DOCKER, 'closed'],
  ['Docker that is told to leave it', DOCKER.replace('FORWARD DROP', 'FORWARD ACCEPT'), 'open'],
  ['Podman by iptables', `${DOCKER}\n-A FORWARD -m comment --comment "netavark" -j NETAVARK_FORWARD`, 'open'],
  ['a rule for Podman', `${DOCKER}\n-A DOCKER-USER -i podman+ -o podman+ -j ACCEPT`, 'open'],
  ['a rule for everything', `${DOCKER}\n-A DOCKER-USER -j ACCEPT`, 'open'],
  ['a rule for another bridge', `${DOCKER}\n-A DOCKER-USER -i virbr0 -j ACCEPT`, 'closed'],
  ['a rule for the way out only', `${DOCKER}\n-A FORWARD -i podman0 ! -o podman0 -j ACCEPT`, 'closed'],
  [
    'a rule behind the end of the chain',
    `${DOCKER}\n-A DOCKER-USER -j RETURN\n-A DOCKER-USER -j ACCEPT`,
    'closed',
  ],
  ['another firewall', '-P INPUT DROP\n-P FORWARD DROP\n-P OUTPUT ACCEPT', 'unknown'],
  ['a rule that drops', `${DOCKER}\n-A DOCKER-USER -i podman1 -j DROP`, 'closed'],
])('%s', (_, rules, expected) => {
  expect(forwardingOf(rules)).toBe(expected);
});
