import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Endpoint } from './engine/endpoint.js';

/**
 * Stands beside a process that pauses containers. Told on standard input what they are; when that ends without the word "done" the process was
 * killed, and they are made to run again.
 */

interface Instructions {
  endpoint: Endpoint;
  /** Ids. */
  containers: string[];
  /** The note about them, which goes afterwards. */
  note: string;
}

let instructions: Instructions | undefined;
let done = false;
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'done') done = true;
  else {
    instructions = JSON.parse(line);
    process.stdout.write('ready\n');
  }
}
if (instructions && !done) await release(instructions);

async function release({ endpoint, containers, note }: Instructions): Promise<void> {
  const { connectDocker } = await import('./engine/docker.js');
  const engine = await connectDocker(endpoint);
  for (const id of containers) if (await engine.container(id)) await engine.start(id);
  await rm(note, { force: true });
}
