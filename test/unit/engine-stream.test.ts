import { describe, expect, it } from 'vitest';
import { demultiplex } from '../../src/engine/docker-stream.js';

function frame(stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

describe('demultiplex', () => {
  it('parts the streams and keeps the order of both', () => {
    const bytes = Buffer.concat([
      frame(1, Buffer.from('a')),
      frame(2, Buffer.from('b')),
      frame(1, Buffer.from('c')),
    ]);
    expect(demultiplex(bytes)).toEqual({ stdout: 'ac', stderr: 'b', both: 'abc' });
  });

  it('joins a character that was cut between two frames', () => {
    const euro = Buffer.from('€');
    const bytes = Buffer.concat([
      frame(1, euro.subarray(0, 1)),
      frame(2, Buffer.from('!')),
      frame(1, euro.subarray(1)),
    ]);
    expect(demultiplex(bytes).stdout).toBe('€');
  });

  it('takes nothing, and what there is of a frame that broke off', () => {
    expect(demultiplex(Buffer.alloc(0)).both).toBe('');
    expect(demultiplex(frame(1, Buffer.from('abcdef')).subarray(0, 11)).stdout).toBe('abc');
  });
});
