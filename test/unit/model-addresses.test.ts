import { expect, it } from 'vitest';
import { isFirstAddress, isSameAddress, subnetHolds, subnetsOverlap } from '../../src/model/addresses.js';

it.each([
  ['10.5.0.0/16', '10.5.3.0/24', true],
  ['10.5.3.0/24', '10.5.0.0/16', true],
  ['10.5.0.0/24', '10.5.1.0/24', false],
  ['10.5.0.0/23', '10.5.1.0/24', true],
  ['fd00:1::/64', 'fd00:1::8000:0:0:0/65', true],
  ['fd00:1::/64', 'fd00:2::/64', false],
  ['0.0.0.0/0', 'fd00::/64', false],
  ['10.5.0.0', '10.5.0.0/16', false],
  ['10.5.0.0/33', '10.5.0.0/16', false],
  ['', '', false],
])('%s and %s overlap: %s', (one, other, expected) => {
  expect(subnetsOverlap(one, other)).toBe(expected);
});

it('tells what is in a subnet', () => {
  expect(subnetHolds('10.5.0.0/24', '10.5.0.255')).toBe(true);
  expect(subnetHolds('10.5.0.0/24', '10.5.1.0')).toBe(false);
  expect(subnetHolds('10.5.0.0/24', 'fd00::1')).toBe(false);
  expect(subnetHolds('fd00::/64', 'fd00::1')).toBe(true);
  expect(subnetHolds('fd00::/64', 'no address')).toBe(false);
});

it('knows an address in another spelling', () => {
  expect(isSameAddress('fd00::1', 'fd00:0:0::0001')).toBe(true);
  expect(isSameAddress('10.0.0.1', '10.0.0.1')).toBe(true);
  expect(isSameAddress('10.0.0.1', '10.0.0.10')).toBe(false);
});

it('knows what a gateway gets by default', () => {
  const first = ['10.5.0.0', '10.5.0.1', '10.5.0.2'].map((address) => isFirstAddress('10.5.0.0/24', address));
  expect(first).toEqual([true, true, false]);
  expect(isFirstAddress('fd00::/64', 'fd00::1')).toBe(true);
});
