import { describe, expect, it } from 'vitest';
import { FakeEngine } from '../support/fake-engine.js';

/** `/version` as the engines answer it, as far as it is read. */
const DOCKER_20 = { Version: '20.10.24', ApiVersion: '1.41', MinAPIVersion: '1.12' };
const DOCKER_28 = { Version: '28.5.2', ApiVersion: '1.51', MinAPIVersion: '1.24' };
const DOCKER_29 = { Version: '29.3.0', ApiVersion: '1.54', MinAPIVersion: '1.40' };
const PODMAN = { Components: [{ Name: 'Podman Engine' }] };
const PODMAN_4 = { ...PODMAN, Version: '4.3.1', ApiVersion: '1.41', MinAPIVersion: '1.24' };
const PODMAN_5 = { ...PODMAN, Version: '5.8.6', ApiVersion: '1.44', MinAPIVersion: '1.24' };

describe('the API version of requests', () => {
  it.each([
    ['of Docker 20.10 is its own', DOCKER_20, '1.41'],
    ['of Docker 28.5 is its own', DOCKER_28, '1.51'],
    ['of Docker 29 is the newest tested one, not its own', DOCKER_29, '1.51'],
    ['of Podman 4.3 is its own', PODMAN_4, '1.41'],
    ['of Podman 5.8 is its own', PODMAN_5, '1.44'],
    ['of an engine without a minimum is its own', { Version: '23', ApiVersion: '1.42' }, '1.42'],
  ])('%s', async (_, version, chosen) => {
    const engine = await FakeEngine.start({ 'GET /version': version });
    const connected = await engine.connect();
    expect(await connected.volume('data')).toBeUndefined();
    expect(engine.requests).toEqual(['GET /version', `GET /v${chosen}/volumes/data`]);
  });

  it("leaves the version of Podman's own API in its path", async () => {
    const engine = await FakeEngine.start({ 'GET /version': PODMAN_5 });
    const connected = await engine.connect();
    await expect(connected.identity()).rejects.toMatchObject({ code: 'failed' });
    expect(engine.requests).toEqual(['GET /version', 'GET /v4.0.0/libpod/info']);
  });

  it('refuses an engine that is older than the tested ones', async () => {
    const old = { Version: '19.03.15', ApiVersion: '1.40', MinAPIVersion: '1.12' };
    const engine = await FakeEngine.start({ 'GET /version': old });
    await expect(engine.connect()).rejects.toMatchObject({
      code: 'engine-not-supported',
      message: `Docker 19.03.15 at ${engine.endpoint.host} speaks API version 1.40, and compose-rollback needs 1.41 or later`,
      hint: 'upgrade the engine: Docker 20.10, Podman 4.2 and later speak it',
    });
  });

  it('refuses an engine that gave up all tested versions', async () => {
    const next = { Version: '35.0.0', ApiVersion: '1.70', MinAPIVersion: '1.52' };
    const engine = await FakeEngine.start({ 'GET /version': next });
    await expect(engine.connect()).rejects.toMatchObject({
      code: 'engine-not-supported',
      message: expect.stringContaining('speaks API versions from 1.52 on'),
      hint: 'install a newer compose-rollback',
    });
  });

  it.each(['', 'latest', '1.4x', undefined])('refuses %j as a version', async (ApiVersion) => {
    const engine = await FakeEngine.start({ 'GET /version': { Version: '1', ApiVersion } });
    await expect(engine.connect()).rejects.toMatchObject({ code: 'engine-not-supported' });
  });
});
