import { expect, it } from 'vitest';
import { connectEngine } from '../../src/engine/connect.js';
import { NOBODY, unreachableEngine } from '../support/nobody.js';

/** What is told of an engine that cannot be reached. */

it('says so when nobody answers', async () => {
  await expect(connectEngine(NOBODY)).rejects.toMatchObject({
    code: 'engine-unreachable',
    message: expect.stringContaining('no engine answers at unix:///nobody/docker.sock (--host)'),
    hint: expect.stringContaining('start the engine'),
  });
  const engine = await unreachableEngine();
  await expect(engine.untag('a:b')).rejects.toMatchObject({ code: 'engine-unreachable' });
  await expect(engine.start('a')).rejects.toMatchObject({ code: 'engine-unreachable' });
  await expect(engine.exec('a', ['true'])).rejects.toMatchObject({ code: 'engine-unreachable' });
});

it.each(['ssh://127.0.0.1:9', 'ssh://someone@127.0.0.1:9'])(
  'says so when nobody answers at %s',
  async (host) => {
    await expect(connectEngine({ ...NOBODY, host })).rejects.toMatchObject({
      code: 'engine-unreachable',
      message: `no engine answers at ${host} (--host): connect ECONNREFUSED 127.0.0.1:9`,
    });
  },
);

it('says so when the TLS files are not there', async () => {
  const endpoint = { ...NOBODY, host: 'tcp://127.0.0.1:2376', certPath: '/nobody/certs' };
  await expect(connectEngine(endpoint)).rejects.toMatchObject({
    code: 'engine-unreachable',
    message: 'the TLS files in /nobody/certs cannot be read',
  });
});
