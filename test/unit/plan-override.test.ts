import { describe, expect, it } from 'vitest';
import type { Facts, Json } from '../../src/model/facts.js';
import { modelFromFacts } from '../../src/plan/override.js';
import { aPoint } from '../support/mirror.js';
import { PROJECT } from '../support/planning.js';

const ENVIRONMENT_SECRET = { secrets: [{ source: 'token', target: '/etc/token', uid: '5' }] };

/** The secrets of `api` as they are defined by what its container had. */
function secretsOf(content: Json, more: Facts = {}): unknown {
  const { point, model } = aPoint({ services: { api: { more: ENVIRONMENT_SECRET } } });
  if (!model) throw new Error('the point has no model');
  model.secrets = { token: { environment: 'TOKEN' } };
  const facts: Facts = { 'content./etc/token': { value: content, origin: 'set' }, ...more };
  const recorded = { key: '', services: { api: [facts] }, networks: {}, external_networks: {}, volumes: {} };
  return modelFromFacts({ model, point }, recorded, ['api'], PROJECT).services['api']?.secrets;
}

describe('a secret that compose copies into a container made of facts', () => {
  it('has the recorded owner and mode', () => {
    expect(secretsOf({ hash: 'x', mode: 0o440, uid: 5, gid: 6 })).toEqual([
      { source: 'token', target: '/etc/token', mode: 0o440, uid: '5', gid: '6' },
    ]);
  });

  it('names no owner where root owned it: compose would give it to the user of the container', () => {
    const user: Facts = { user: { value: '1000:1000', origin: 'set' } };
    expect(secretsOf({ hash: 'x', mode: 0o444, uid: 0, gid: 0 }, user)).toEqual([
      { source: 'token', target: '/etc/token', mode: 0o444, uid: undefined, gid: undefined },
    ]);
  });
});
