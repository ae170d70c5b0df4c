import { describe, expect, it } from 'vitest';
import { normaliseV1 } from '../../src/engine/compose-v1-model.js';

/** One service `s` with this YAML, normalised. */
function service(yaml: string) {
  const body = yaml
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
  return normaliseV1(`services:\n  s:\n    image: x\n${body}\n`, 'shop', []).services.s;
}

describe('normaliseV1', () => {
  it('reads every port syntax', () => {
    const ports = service(
      [
        'ports:',
        '- published: 18080',
        '  target: 80',
        '- 127.0.0.1:18081:81/udp',
        '- target: 9000',
        '- 127.0.0.1::82',
        '- 8000-8010:83/tcp',
        "- '[::1]:18084:84'",
        "- '85'",
      ].join('\n'),
    )?.ports;
    expect(ports).toEqual([
      { mode: 'ingress', protocol: 'tcp', target: 80, published: '18080' },
      { mode: 'ingress', host_ip: '127.0.0.1', target: 81, published: '18081', protocol: 'udp' },
      { mode: 'ingress', protocol: 'tcp', target: 9000 },
      { mode: 'ingress', host_ip: '127.0.0.1', target: 82, protocol: 'tcp' },
      { mode: 'ingress', target: 83, published: '8000-8010', protocol: 'tcp' },
      { mode: 'ingress', host_ip: '[::1]', target: 84, published: '18084', protocol: 'tcp' },
      { mode: 'ingress', target: 85, protocol: 'tcp' },
    ]);
  });

  it('reads every volume syntax', () => {
    const volumes = service(
      'volumes:\n- data:/data:rw\n- /srv/conf:/conf:ro\n- /anon\n- {source: /a, target: /a.txt, type: bind, read_only: true}',
    )?.volumes;
    expect(volumes).toEqual([
      { type: 'volume', source: 'data', target: '/data' },
      { type: 'bind', source: '/srv/conf', target: '/conf', read_only: true },
      { type: 'volume', target: '/anon' },
      { type: 'bind', source: '/a', target: '/a.txt', read_only: true },
    ]);
  });

  it('reads dependencies in both shapes', () => {
    const started = { condition: 'service_started', required: true };
    expect(service('depends_on:\n- a\n- b')?.depends_on).toEqual({ a: started, b: started });
    expect(service('depends_on:\n  a:\n    condition: service_healthy')?.depends_on).toEqual({
      a: { condition: 'service_healthy', required: true },
    });
  });

  it('makes text of numbers, and keeps what has no value', () => {
    const yaml =
      'environment:\n  A: 1\n  B: yes\n  C: null\n  D: "007"\nlabels:\n  level: 5\nexpose:\n- 7000';
    expect(service(yaml)).toMatchObject({
      environment: { A: '1', B: 'true', C: null, D: '007' },
      labels: { level: '5' },
      expose: ['7000'],
    });
  });

  it.each([
    ['test: redis-cli ping', { test: ['CMD-SHELL', 'redis-cli ping'] }],
    ['test: [CMD, "true"]', { test: ['CMD', 'true'] }],
    ['test: [NONE]', { disable: true }],
  ])('reads the health check %s', (yaml, healthcheck) => {
    expect(service(`healthcheck:\n  ${yaml}`)?.healthcheck).toEqual(healthcheck);
  });

  it('names what compose names', () => {
    const model = normaliseV1(
      'services: {s: {image: x}}\nvolumes: {data: {}, own: {name: mine}, ext: {external: true, name: ext}}\nsecrets: {k: {file: /k}}',
      'shop',
      [],
    );
    expect(model).toMatchObject({
      name: 'shop',
      networks: { default: { name: 'shop_default' } },
      volumes: { data: { name: 'shop_data' }, own: { name: 'mine' }, ext: { external: true, name: 'ext' } },
      secrets: { k: { name: 'shop_k', file: '/k' } },
    });
  });

  it('has no default network where every service says otherwise', () => {
    const yaml =
      'services: {a: {image: x, network_mode: host}, b: {image: x, networks: {net: null}}}\nnetworks: {net: {}}';
    expect(Object.keys(normaliseV1(yaml, 'shop', []).networks)).toEqual(['net']);
  });

  it('leaves services of inactive profiles out, unless all are wanted', () => {
    const yaml = 'services: {a: {image: x}, b: {image: x, profiles: [p]}, c: {image: x, profiles: [q]}}';
    const names = (profiles: string[] | undefined) =>
      Object.keys(normaliseV1(yaml, 'shop', profiles).services);
    expect(names([])).toEqual(['a']);
    expect(names(['q'])).toEqual(['a', 'c']);
    expect(names(undefined)).toEqual(['a', 'b', 'c']);
  });

  it('names the place of what it cannot read, and never its value', () => {
    expect(() => normaliseV1('services: {s: {image: {secret: hunter2}}}', 'shop', [])).toThrow(
      expect.objectContaining({
        code: 'provider-failed',
        details: ['services.s.image: Invalid input: expected string, received object'],
      }),
    );
    expect(() => service('ports: [nonsense]')).toThrow('"nonsense" is no port');
  });
});
