import { describe, expect, it } from 'vitest';
import { toEngineError } from '../../src/engine/docker-errors.js';
import { environmentFor, parseHost, type Endpoint } from '../../src/engine/endpoint.js';

const endpoint: Endpoint = {
  host: 'unix:///run/x.sock',
  certPath: undefined,
  sshAgent: undefined,
  origin: 'DOCKER_HOST',
};

const system = (code: string) => Object.assign(new Error(`connect ${code} /run/x.sock`), { code });

describe('parseHost', () => {
  it.each([
    ['unix:///run/docker.sock', 'unix:///run/docker.sock'],
    ['tcp://10.0.0.5:2376', 'tcp://10.0.0.5:2376'],
    ['ssh://me@box', 'ssh://me@box'],
    ['10.0.0.5:2375', 'tcp://10.0.0.5:2375'],
  ])('%s', (text, host) => {
    expect(parseHost(text, '--host')).toBe(host);
  });

  it.each(['', 'unix://', 'unix://relative.sock', '/run/docker.sock', 'ftp://x', 'tcp://', '-x y'])(
    'refuses %j',
    (text) => {
      expect(() => parseHost(text, '--host')).toThrow('no engine address');
    },
  );
});

describe('environmentFor', () => {
  const theirs = {
    PATH: '/bin',
    DOCKER_HOST: 'tcp://other',
    DOCKER_CONTEXT: 'prod',
    DOCKER_TLS_VERIFY: '1',
    DOCKER_CERT_PATH: '/c',
  };

  it("replaces the caller's choice of engine", () => {
    expect(environmentFor(endpoint, theirs)).toEqual({ PATH: '/bin', DOCKER_HOST: 'unix:///run/x.sock' });
  });

  it('hands TLS on', () => {
    expect(environmentFor({ ...endpoint, host: 'tcp://h:2376', certPath: '/tls' }, { PATH: '/bin' })).toEqual(
      {
        PATH: '/bin',
        DOCKER_HOST: 'tcp://h:2376',
        DOCKER_TLS_VERIFY: '1',
        DOCKER_CERT_PATH: '/tls',
      },
    );
  });
});

describe('toEngineError', () => {
  it.each([
    ['ECONNREFUSED', 'start the engine'],
    ['ENOENT', 'there is no such socket'],
    ['EACCES', 'docker group'],
    ['EHOSTUNREACH', 'check that the engine runs'],
  ])('%s: unreachable, with a hint that fits', (code, hint) => {
    expect(toEngineError(system(code), endpoint)).toMatchObject({
      code: 'engine-unreachable',
      message: expect.stringContaining('unix:///run/x.sock (DOCKER_HOST)'),
      hint: expect.stringContaining(hint),
    });
  });

  it("gives the engine's own words", () => {
    const answer = Object.assign(new Error('(HTTP code 409) conflict - it is paused\n '), {
      statusCode: 409,
    });
    expect(toEngineError(answer, endpoint)).toMatchObject({
      code: 'failed',
      message: 'the engine says: it is paused',
    });
  });

  it('leaves mistakes of ours as they are', () => {
    const mistake = new TypeError('x is not a function');
    expect(toEngineError(mistake, endpoint)).toBe(mistake);
  });
});
