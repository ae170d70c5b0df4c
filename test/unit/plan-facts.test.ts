import { describe, expect, it } from 'vitest';
import {
  CONTAINER_FACTS,
  type Fact,
  type Facts,
  type Json,
  NETWORK_FACTS,
  type Origin,
  type ProjectFacts,
  VOLUME_FACTS,
} from '../../src/model/facts.js';
import { compareFacts, describeDifference } from '../../src/plan/facts.js';
import { aPoint } from '../support/mirror.js';
import { aPresent, outline, planned, type Circumstances, type Stack } from '../support/planning.js';

const fact = (value: Json, origin: Origin = 'set'): Fact => ({ value, origin });

const EMPTY: ProjectFacts = { key: '', services: {}, networks: {}, external_networks: {}, volumes: {} };

const FILES = { 'compose.yaml': 'services: …' };
const STACK: Stack = { services: { api: {}, db: {} }, files: FILES };

/** The plan between two states that differ in facts alone. */
function plannedFrom(now: Partial<ProjectFacts>, then: Partial<ProjectFacts>, given: Circumstances = {}) {
  const present = { ...aPresent(STACK), facts: { ...EMPTY, ...now } };
  return planned(present, { ...aPoint(STACK), facts: { ...EMPTY, ...then } }, given);
}

const services = (api: Facts) => ({ services: { api: [api], db: [{}] } });

describe('facts of a container', () => {
  it('are equal whatever gave them their value', () => {
    expect(compareFacts('service', 'api', { user: fact('1', 'set') }, { user: fact('1', 'image') })).toEqual({
      equal: 1,
      differences: [],
      defaults: [],
    });
  });

  it.each(Object.keys(CONTAINER_FACTS))('a change of %s is found', (key) => {
    const [was, is] = [{ [key]: fact('one') }, { [key]: fact('other') }];
    expect(compareFacts('service', 'api', was, is).differences).toMatchObject([
      { key, was: 'one', is: 'other' },
    ]);
    expect(compareFacts('service', 'api', was, {}).differences).toMatchObject([
      { key, was: 'one', is: null },
    ]);
    expect(compareFacts('service', 'api', {}, is).differences).toMatchObject([
      { key, was: null, is: 'other' },
    ]);
  });

  it.each(Object.keys(NETWORK_FACTS))('a change of %s of a network is found', (key) => {
    expect(compareFacts('network', 'back', { [key]: fact(1) }, { [key]: fact(2) }).differences).toHaveLength(
      1,
    );
  });

  it.each(Object.keys(VOLUME_FACTS))('a change of %s of a volume is found', (key) => {
    expect(compareFacts('volume', 'data', { [key]: fact(1) }, { [key]: fact(2) }).differences).toHaveLength(
      1,
    );
  });

  it('a default of the engine that changed is no difference', () => {
    const { differences, defaults } = compareFacts(
      'service',
      'api',
      { logging: fact('json-file', 'daemon') },
      { logging: fact('journald', 'daemon') },
    );
    expect(differences).toEqual([]);
    expect(defaults.map(describeDifference)).toEqual(['api: logging was json-file, is journald']);
  });

  it('but one in the place of what was set is', () => {
    const { differences } = compareFacts(
      'service',
      'api',
      { logging: fact('syslog') },
      { logging: fact('json-file', 'daemon') },
    );
    expect(differences).toHaveLength(1);
  });

  it('generated values are not compared', () => {
    const subnets = (value: string) => ({ subnets: fact(value, 'generated') });
    expect(compareFacts('network', 'n', subnets('a'), subnets('b'))).toEqual({
      equal: 0,
      differences: [],
      defaults: [],
    });
  });

  it('secret values are not shown', () => {
    const { differences } = compareFacts(
      'service',
      'api',
      { 'environment.TOKEN': fact('hidden-1') },
      { 'environment.TOKEN': fact('hidden-2') },
    );
    expect(differences.map(describeDifference)).toEqual(['api: environment.TOKEN differs']);
  });
});

describe('a service that runs otherwise than recorded', () => {
  it('is made anew, though its hash is the same', () => {
    const plan = plannedFrom(
      services({ 'mount./data': fact('new') }),
      services({ 'mount./data': fact('old') }),
    );
    expect(outline(plan.operations)).toEqual(['stop api', 'up api', 'verify api']);
    expect(plan.operations[1]).toMatchObject({
      recreate: true,
      cause: 'it runs with another mount./data',
    });
    expect(plan.unchanged).toEqual(['db']);
  });

  it('equal facts are counted', () => {
    const facts = services({ user: fact('999'), 'environment.A': fact('1') });
    expect(plannedFrom(facts, facts)).toMatchObject({ operations: [], equal: 4 });
  });

  it('an anonymous volume that is gone is no reason, and a risk once it is made anew', () => {
    const mount = (digit: string) => fact({ type: 'volume', volume: digit.repeat(64) });
    const [was, is] = ['a', 'b'].map((digit) => services({ 'mount./data': mount(digit) }));
    const lost = { findings: { lostVolumes: ['a'.repeat(64)] } };
    expect(plannedFrom(is ?? {}, was ?? {}, lost).operations).toEqual([]);
    expect(plannedFrom(is ?? {}, was ?? {}).operations).toMatchObject([
      { kind: 'stop' },
      { kind: 'up', from: 'facts' },
      { kind: 'verify' },
    ]);
  });

  it('by its facts, when somebody changed it by hand before the point', () => {
    const plan = plannedFrom(services({}), services({ mem_limit: fact(1 << 30) }));
    expect(plan.operations).toMatchObject([
      { kind: 'stop' },
      { kind: 'up', from: 'facts' },
      { kind: 'verify' },
    ]);
    expect(plan.risks).toMatchObject([{ code: 'files-differ' }]);
  });

  it('by its facts, with a connection by hand as it was: without the name of the service', () => {
    const networks = {
      'network.shop_default': fact({ aliases: ['api'] }),
      'network.spare': fact({ aliases: ['friend'] }),
    };
    const plan = plannedFrom(services({}), services({ mem_limit: fact(1 << 30), ...networks }));
    expect(outline(plan.operations)).toEqual(['stop api', 'up api', 'connect api', 'verify api']);
    expect(plan.operations[2]).toMatchObject({ network: 'spare', membership: { aliases: ['friend'] } });
  });

  it('is blocked where the provider takes files only', () => {
    const present = aPresent(STACK);
    const facts = { ...EMPTY, ...services({}) };
    const observed = { ...present, facts, provider: { ...present.provider, readsModels: false } };
    const recorded = { ...EMPTY, ...services({ mem_limit: fact(1 << 30) }) };
    const plan = planned(observed, { ...aPoint(STACK), facts: recorded });
    expect(plan.blockers).toMatchObject([{ code: 'cannot-make' }]);
  });

  it('a fact that no definition gives is a blocker', () => {
    const plan = plannedFrom(services({}), services({ cpu_shares: fact(2), device_requests: fact([1]) }));
    expect(plan.blockers).toMatchObject([
      {
        code: 'cannot-make',
        message:
          'api ran otherwise than its files say, and nothing but files can give it its device_requests',
      },
    ]);
  });
});

describe('a network', () => {
  const member = (network: string) => ({ [`network.${network}`]: fact({ aliases: [] }) });
  const network = (internal: boolean, others = {}) => ({
    networks: { back: { facts: internal ? { internal: fact(true) } : {}, others } },
  });
  const connected = { services: { api: [member('back')], db: [{}] } };

  it('a connection that the files define, MAC address and all, is not made by hand', () => {
    const membership = { aliases: ['api', '{name}'], mac: '02:00:5e:00:00:01' };
    const definition = { networks: { default: { mac_address: '02:00:5E:00:00:01' } } };
    const stack: Stack = { services: { api: { more: definition } }, files: FILES };
    const facts = (user: string) => ({ 'network.shop_default': fact(membership), user: fact(user) });
    const present = { ...aPresent(stack), facts: { ...EMPTY, services: { api: [facts('1')] } } };
    const target = { ...aPoint(stack), facts: { ...EMPTY, services: { api: [facts('2')] } } };
    expect(outline(planned(present, target).operations)).toEqual(['stop api', 'up api', 'verify api']);
  });

  it('whose settings differ is made anew, with the containers of this project', () => {
    const plan = plannedFrom({ ...connected, ...network(true) }, { ...connected, ...network(false) });
    expect(outline(plan.operations)).toEqual([
      'stop api',
      'disconnect api',
      'remove-network',
      'up api',
      'connect api',
      'verify api',
    ]);
    expect(plan.unchanged).toEqual(['db']);
  });

  it('containers of others are disconnected and connected again, and named', () => {
    const others = { 'x-1': { aliases: ['x'], ipv4: '10.0.0.9' } };
    const plan = plannedFrom({ ...connected, ...network(true, others) }, { ...connected, ...network(false) });
    expect(plan.operations).toContainEqual(
      expect.objectContaining({ kind: 'connect', container: 'x-1', membership: others['x-1'] }),
    );
    expect(plan.risks).toContainEqual(expect.objectContaining({ code: 'network-shared' }));
  });

  it('that the project does not make is left, and named', () => {
    const external = (internal: boolean) => ({
      external_networks: { proxy: internal ? { internal: fact(true) } : {} },
    });
    const plan = plannedFrom(external(true), external(false));
    expect(plan.operations).toEqual([]);
    expect(plan.risks).toMatchObject([
      {
        code: 'network-differs',
        message:
          'network proxy is not made by this project and stays as it is: internal was not set, is true',
      },
    ]);
  });

  it('is a blocker for chosen services, when another one is connected', () => {
    const all = { services: { api: [member('back')], db: [member('back')] } };
    const options = { options: { services: ['api'] } };
    const plan = plannedFrom({ ...all, ...network(true) }, { ...all, ...network(false) }, options);
    expect(plan.blockers).toMatchObject([{ code: 'network-in-use' }]);
  });
});

describe('a volume', () => {
  const volume = (facts: Facts) => ({ volumes: { shop_data: facts } });

  it('with other options is never made anew silently', () => {
    const plan = plannedFrom(volume({ 'option.o': fact('a') }), volume({ 'option.o': fact('b') }));
    expect(plan.blockers).toMatchObject([{ code: 'volume-differs' }]);
  });

  it('with other labels is left', () => {
    const plan = plannedFrom(volume({ 'label.o': fact('a') }), volume({ 'label.o': fact('b') }));
    expect(plan).toMatchObject({ blockers: [], operations: [] });
  });
});
