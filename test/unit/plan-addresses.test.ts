import { describe, expect, it } from 'vitest';
import type { Fact, Facts, Json, ProjectFacts } from '../../src/model/facts.js';
import type { AddressRange, Findings } from '../../src/model/plan.js';
import { aPoint } from '../support/mirror.js';
import { aPresent, planned, type Stack } from '../support/planning.js';

const fact = (value: Json): Fact => ({ value, origin: 'set' });
const range = (subnet: string, more: Partial<AddressRange> = {}): AddressRange => ({
  subnet,
  gateway: null,
  isPartial: false,
  ...more,
});
const bridge = (...ranges: AddressRange[]) => ({ driver: 'bridge', ranges });

const STACK: Stack = { services: { api: {}, db: {} }, files: { 'compose.yaml': 'services: …' } };
const SUBNET = '10.5.0.0/24';

/** The point has `api` in the network `back`, and perhaps `db` too. */
function recorded(api: { ipv4?: string; ipv6?: string }, network: Json = [{ subnet: SUBNET }]): ProjectFacts {
  const services: Record<string, Facts[]> = {
    api: [{ 'network.back': fact({ aliases: ['api'], ...api }), user: fact('recorded') }],
    db: [{}],
  };
  return {
    key: '',
    services,
    networks: { back: { facts: { subnets: fact(network) }, others: {} } },
    external_networks: {},
    volumes: {},
  };
}

/** What stands in the way of `api`, which runs otherwise today and not in `back`. */
function blockersWith(
  addressing: Partial<Findings['addressing']>,
  then: ProjectFacts,
  now: Partial<ProjectFacts> = {},
) {
  const facts = {
    key: '',
    services: { api: [{ user: fact('other') }], db: [{}] },
    networks: {},
    external_networks: {},
    volumes: {},
    ...now,
  };
  const found = { addressing: { networks: {}, machine: [], held: [], ...addressing } };
  return planned({ ...aPresent(STACK), facts }, { ...aPoint(STACK), facts: then }, { findings: found })
    .blockers;
}

describe('a network that has to be made', () => {
  it('is possible where its subnet is free', () => {
    expect(blockersWith({ networks: { other: bridge(range('10.6.0.0/16')) } }, recorded({}))).toEqual([]);
  });

  it('is blocked by the network that has an address of its subnet', () => {
    expect(blockersWith({ networks: { other: bridge(range('10.5.0.128/25')) } }, recorded({}))).toEqual([
      {
        code: 'subnet-taken',
        message:
          'network back has to be made with 10.5.0.0/24, which overlaps 10.5.0.128/25 of network other',
        hint: 'remove that network first: docker network rm other',
      },
    ]);
  });

  it('names a network of the project itself', () => {
    const networks = { shop_new: { facts: {}, others: {} } };
    const there = { networks: { shop_new: bridge(range(SUBNET)) } };
    expect(blockersWith(there, recorded({}), { networks })).toMatchObject([
      { code: 'subnet-taken', hint: 'stop the project with docker compose down, then try again' },
    ]);
  });

  it('is blocked by an interface where the engine minds', () => {
    expect(blockersWith({ machine: [{ name: 'eth0', subnet: '10.5.0.7/8' }] }, recorded({}))).toMatchObject([
      {
        code: 'subnet-taken',
        message:
          'network back has to be made with 10.5.0.0/24, which overlaps 10.5.0.7/8 of eth0 of this machine',
      },
    ]);
  });

  it('minds nothing when nobody declared its subnet', () => {
    const then = recorded({});
    const generated = {
      subnets: { value: [{ subnet: SUBNET, gateway: '10.5.0.1' }], origin: 'generated' } as Fact,
    };
    then.networks = { back: { facts: generated, others: {} } };
    expect(blockersWith({ networks: { other: bridge(range(SUBNET)) } }, then)).toEqual([]);
  });

  it('does not mind its own former self', () => {
    const networks = { back: { facts: { subnets: fact([{ subnet: '10.5.0.0/25' }]) }, others: {} } };
    const there = { networks: { back: bridge(range('10.5.0.0/25')) } };
    expect(blockersWith(there, recorded({ ipv4: '10.5.0.200' }), { networks })).toEqual([]);
  });

  it('has to fit those of others that are connected again', () => {
    const others = { guest: { aliases: [], ipv4: '10.9.0.5' } };
    const networks = { back: { facts: { subnets: fact([{ subnet: '10.9.0.0/24' }]) }, others } };
    const there = { networks: { back: bridge(range('10.9.0.0/24')) } };
    expect(blockersWith(there, recorded({}), { networks })).toMatchObject([
      {
        code: 'address-unusable',
        message: 'guest needs the address 10.9.0.5 in network back, which has 10.5.0.0/24 only',
      },
    ]);
  });
});

describe('a fixed address', () => {
  const there = { networks: { back: bridge(range(SUBNET)) } };
  const held = (container: string, name: string, address: string) => [
    { container, name, network: 'back', address },
  ];

  it('is free', () => {
    expect(blockersWith(there, recorded({ ipv4: '10.5.0.9' }))).toEqual([]);
  });

  it('is in no subnet of a network that stays', () => {
    const networks = { back: bridge(range('10.9.0.0/24'), range('fd00::/64')) };
    expect(blockersWith({ networks }, recorded({ ipv4: '10.5.0.9' }))).toMatchObject([
      {
        code: 'address-unusable',
        message: 'api needs the address 10.5.0.9 in network back, which has 10.9.0.0/24, fd00::/64 only',
      },
    ]);
  });

  it.each([
    ['10.5.0.1', range(SUBNET)],
    ['10.5.0.9', range(SUBNET, { gateway: '10.5.0.9' })],
    ['fd00::1', range('fd00::/64', { gateway: 'fd00:0::1' })],
  ])('%s is that of the gateway', (address, one) => {
    const own = address.includes(':') ? { ipv6: address } : { ipv4: address };
    expect(blockersWith({ networks: { back: bridge(one) } }, recorded(own))).toMatchObject([
      {
        code: 'address-unusable',
        message: `api needs the address ${address} in network back, where it is that of the gateway`,
      },
    ]);
  });

  it('is held by a container of others', () => {
    const taken = { ...there, held: held('stranger', 'other-1', '10.5.0.9') };
    expect(blockersWith(taken, recorded({ ipv4: '10.5.0.9' }))).toEqual([
      {
        code: 'address-taken',
        message: 'api needs the address 10.5.0.9 in network back, which container other-1 has',
        hint: 'stop other-1 first, or connect it with another address',
      },
    ]);
  });

  it('is held by a service that runs on', () => {
    const taken = { ...there, held: held('db-1', 'shop-db-1', '10.5.0.9') };
    expect(blockersWith(taken, recorded({ ipv4: '10.5.0.9' }))).toMatchObject([{ code: 'address-taken' }]);
  });

  it('is held by the container that goes', () => {
    const taken = { ...there, held: held('api-1', 'shop-api-1', '10.5.0.9') };
    expect(blockersWith(taken, recorded({ ipv4: '10.5.0.9' }))).toEqual([]);
  });

  it('of a definition counts where the point has no facts', () => {
    const stack: Stack = {
      services: { api: { more: { networks: { default: { ipv4_address: '10.5.0.9' } } }, hash: 'new' } },
      files: STACK.files ?? {},
    };
    const present = aPresent({ ...STACK, services: { api: { hash: 'old' } } });
    const networks = { shop_default: bridge(range('10.9.0.0/24')) };
    const findings = { addressing: { networks, machine: [], held: [] } };
    expect(planned(present, aPoint(stack), { findings }).blockers).toMatchObject([
      { code: 'address-unusable' },
    ]);
  });
});
