import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { httpGet } from '../../src/handlers/http.js';
import { tryConnect } from '../../src/handlers/network.js';
import { speakResp } from '../../src/handlers/resp.js';

const servers: { close(): unknown }[] = [];
const { signal } = new AbortController();

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function get(listener: RequestListener, timeout = 2000) {
  const port = await listen(createServer(listener));
  return await httpGet(new URL(`http://127.0.0.1:${port}/`), { timeout, signal });
}

test('status, body and place', async () => {
  const answer = await get((_, response) => {
    response.writeHead(307, { location: '/there?token=s3cret' }).end('grüße');
  });
  expect(answer).toEqual({ status: 307, body: 'grüße', location: '/there' });
});

test('a body without end is cut at 64 kB', async () => {
  const answer = await get((_, response) => {
    const timer = setInterval(() => response.write('x'.repeat(10_000)), 1);
    response.on('close', () => clearInterval(timer));
  });
  expect('body' in answer && answer.body.length).toBe(65_536);
});

test('an answer that never comes, or never ends', async () => {
  expect(await get(() => {}, 200)).toEqual({ problem: 'no answer within 0.2 s' });
  expect(await get((_, response) => response.write('half'), 200)).toEqual({
    problem: 'no answer within 0.2 s',
  });
});

test('connections that fail, in plain words', async () => {
  const reset = await listen(createTcpServer((socket) => socket.resetAndDestroy()));
  const chatter = await listen(createTcpServer((socket) => socket.end('220 mail.test ESMTP\r\n')));
  const ask = async (url: string) => httpGet(new URL(url), { timeout: 2000, signal });
  const closed = 'the connection was closed without an answer';
  expect(await ask(`http://127.0.0.1:${reset}/`)).toEqual({ problem: closed });
  expect(await ask(`http://127.0.0.1:${chatter}/`)).toEqual({ problem: 'the answer is not HTTP' });
  expect(await ask('http://127.0.0.1:1/')).toEqual({ problem: 'connection refused' });
  expect(await ask(`https://127.0.0.1:${chatter}/`)).toEqual({ problem: expect.stringContaining('SSL') });
});

test('an abort is thrown with its own reason', async () => {
  const abort = new AbortController();
  const port = await listen(createServer(() => abort.abort(new Error('stop'))));
  const url = new URL(`http://127.0.0.1:${port}/`);
  await expect(httpGet(url, { timeout: 2000, signal: abort.signal })).rejects.toThrow('stop');
});

test('a TCP connection', async () => {
  const port = await listen(createTcpServer());
  expect(await tryConnect({ host: '127.0.0.1', port }, 1000, signal)).toBe('open');
  expect(await tryConnect({ host: '127.0.0.1', port: 1 }, 1000, signal)).toBe('refused');
  expect(await tryConnect({ host: 'no-such-host.invalid', port: 1 }, 1000, signal)).toBe('unknown');
});

test('Redis’ protocol: commands go out length-prefixed, the last reply comes back, in pieces too', async () => {
  const received: string[] = [];
  const port = await listen(
    createTcpServer((socket) => {
      socket.on('data', (chunk) => {
        received.push(String(chunk));
        socket.write('+OK\r\n-ERR');
        setImmediate(() => socket.write(' no\r\n'));
      });
    }),
  );
  const place = { host: '127.0.0.1', port };
  expect(await speakResp(place, [['AUTH', 'pä\r\n'], ['SAVE']], 2000, signal)).toEqual({ words: 'ERR no' });
  expect(received.join('')).toBe('*2\r\n$4\r\nAUTH\r\n$5\r\npä\r\n\r\n*1\r\n$4\r\nSAVE\r\n');
  expect(await speakResp({ host: '127.0.0.1', port: 1 }, [['PING']], 2000, signal)).toEqual({
    problem: 'connection refused',
  });
});

test('Redis’ protocol: silence and a closed connection', async () => {
  const mute = await listen(createTcpServer());
  const closing = await listen(createTcpServer((socket) => socket.end()));
  const ask = async (port: number) => speakResp({ host: '127.0.0.1', port }, [['PING']], 200, signal);
  expect(await ask(mute)).toEqual({ problem: 'no answer' });
  expect(await ask(closing)).toEqual({ problem: 'the connection was closed without an answer' });
});
