import { readFile } from 'node:fs/promises';
import { runProgram } from '../../engine/program.js';
import { findProgram } from '../../engine/search-path.js';
import { isDenied, isMissing } from '../../project/paths.js';

/**
 * Whether the machine's firewall lets containers on a bridge of Podman's reach each other. `unknown` for users who may not read its rules.
 */
export type Forwarding = 'open' | 'closed' | 'unknown';

/** The kernel passes what crosses a bridge to iptables when this is 1; Docker up to 27 turns it on. */
const BRIDGE_FILTER = '/proc/sys/net/bridge/bridge-nf-call-iptables';

export async function findForwarding(env: Record<string, string | undefined>): Promise<Forwarding> {
  if (!(await filtersBridges())) return 'open';
  const program = await findProgram('iptables', { PATH: `${env['PATH'] ?? ''}:/usr/sbin:/sbin` });
  if (program === undefined) return 'unknown';
  const { exitCode, stdout } = await runProgram([program, '-w', '5', '-S'], { env });
  return exitCode === 0 ? forwardingOf(stdout) : 'unknown';
}

/**
 * By the rules of the table `filter`, as `iptables -S` prints them. Docker drops what it forwards for nobody; Podman opens that again by iptables up to
 * version 4, and from 5 on only in tables of nftables, which cannot overrule a drop elsewhere (measured, Docker 28.5 and Podman 5.8).
 */
export function forwardingOf(rules: string): Forwarding {
  const lines = rules.split('\n');
  if (!lines.includes('-P FORWARD DROP')) return 'open';
  // Then it was not Docker, and it has its own ways to be opened.
  if (!lines.includes('-N DOCKER-USER')) return 'unknown';
  return ['FORWARD', 'DOCKER-USER'].some((chain) => isOpenedBy(reachable(lines, chain))) ? 'open' : 'closed';
}

/** The rules of a chain up to the first that ends it for everything. */
function reachable(lines: string[], chain: string): string[] {
  const rules = lines.filter((line) => line.startsWith(`-A ${chain} `));
  const end = rules.findIndex((rule) => /^-A \S+ -j (?:RETURN|DROP|REJECT)$/.test(rule));
  return end === -1 ? rules : rules.slice(0, end);
}

const isOpenedBy = (rules: string[]): boolean =>
  rules.some(
    (rule) =>
      / -j NETAVARK/.test(rule) ||
      /^-A \S+ -i podman\S*(?: -o podman\S*)? -j ACCEPT$/.test(rule) ||
      /^-A \S+ -j ACCEPT$/.test(rule),
  );

async function filtersBridges(): Promise<boolean> {
  try {
    return (await readFile(BRIDGE_FILTER, 'utf8')).trim() === '1';
  } catch (error) {
    if (isMissing(error) || isDenied(error)) return false;
    throw error;
  }
}
