import { connect } from 'node:net';
import { networkProblem } from './network.js';
import type { Endpoint } from './ports.js';

/**
 * Sends commands in Redis' protocol and gives the last one's reply without its type mark. Only for commands that answer with a
 * simple string or an error, one line each. A failed connection is an answer in plain words.
 */
export async function speakResp(
  { host, port }: Endpoint,
  commands: string[][],
  timeout: number,
  signal: AbortSignal,
): Promise<{ words: string } | { problem: string }> {
  const socket = connect({ host, port, timeout, signal });
  socket.on('timeout', () => socket.destroy(Object.assign(new Error('late'), { code: 'ETIMEDOUT' })));
  try {
    socket.write(commands.map(encode).join(''));
    let received = '';
    for await (const chunk of socket.setEncoding('utf8')) {
      received += String(chunk);
      const lines = received.split('\r\n').slice(0, -1);
      const last = lines[commands.length - 1];
      if (last !== undefined) return { words: last.replace(/^[+-]/, '') };
    }
    return { problem: 'the connection was closed without an answer' };
  } catch (error) {
    signal.throwIfAborted();
    return { problem: networkProblem(error) };
  } finally {
    socket.destroy();
  }
}

function encode(words: string[]): string {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${parts.join('')}`;
}
