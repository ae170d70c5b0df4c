import { getEventListeners, once } from 'node:events';
import { createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { tryConnect } from '../../src/handlers/network.js';

async function listener(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

it('tells open from refused, and leaves nothing on the signal, however often it is asked', async () => {
  const { signal } = new AbortController();
  const port = await listener();
  for (let time = 0; time < 3; time += 1) {
    expect(await tryConnect({ host: '127.0.0.1', port }, 1000, signal)).toBe('open');
    expect(await tryConnect({ host: '127.0.0.1', port: 1 }, 1000, signal)).toBe('refused');
  }
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

it('throws what the signal was aborted with', async () => {
  const controller = new AbortController();
  // Nobody answers there (a documentation address), so the attempt waits.
  const attempt = tryConnect({ host: '192.0.2.1', port: 1 }, 30_000, controller.signal);
  const reason = new Error('enough');
  controller.abort(reason);
  await expect(attempt).rejects.toBe(reason);
  await expect(tryConnect({ host: '192.0.2.1', port: 1 }, 1000, controller.signal)).rejects.toBe(reason);
});
