import { BlockList, isIP, isIPv4 } from 'node:net';

/** Addresses and subnets of networks, as text. What is no address, or no subnet, overlaps nothing and holds nothing. */

/** `10.5.0.0/16`, taken apart. */
function parse(subnet: string): { base: string; bits: number } | undefined {
  const [base = '', bits = ''] = subnet.split('/');
  const count = Number(bits);
  const isValid = isIP(base) !== 0 && /^\d{1,3}$/.test(bits) && count <= (isIPv4(base) ? 32 : 128);
  return isValid ? { base, bits: count } : undefined;
}

const family = (address: string) => (isIPv4(address) ? 'ipv4' : 'ipv6');

/** Is the address in the subnet? */
export function subnetHolds(subnet: string, address: string): boolean {
  const parsed = parse(subnet);
  if (!parsed || isIP(address) === 0 || isIPv4(parsed.base) !== isIPv4(address)) return false;
  const list = new BlockList();
  list.addSubnet(parsed.base, parsed.bits, family(parsed.base));
  return list.check(address, family(address));
}

/** Do two subnets have an address in common? */
export function subnetsOverlap(one: string, other: string): boolean {
  const bases = [one, other].map((subnet) => parse(subnet)?.base ?? '');
  return subnetHolds(one, bases[1] ?? '') || subnetHolds(other, bases[0] ?? '');
}

/** Are two texts the same address? `fd00::1` is `fd00:0::1`. */
export function isSameAddress(one: string, other: string): boolean {
  return one === other || subnetHolds(`${one}/${isIPv4(one) ? 32 : 128}`, other);
}

/** One of the first two addresses of the subnet: its own, and the one that engines give to the gateway when nobody says otherwise. */
export function isFirstAddress(subnet: string, address: string): boolean {
  const parsed = parse(subnet);
  return parsed !== undefined && subnetHolds(`${parsed.base}/${isIPv4(parsed.base) ? 31 : 127}`, address);
}
