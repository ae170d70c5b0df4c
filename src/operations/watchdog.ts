import { rm } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { connectEngine } from '../engine/connect.js';
import type { Endpoint } from '../engine/endpoint.js';

/** Makes containers run again that a killed process held. Told on standard input which; see `holding`. */

interface Instructions {
  endpoint: Endpoint;
  /** Ids. */
  containers: string[];
  /** The note about them, which goes afterwards. */
  note: string;
}

const { endpoint, containers, note }: Instructions = JSON.parse(await text(process.stdin));
const engine = await connectEngine(endpoint);
for (const id of containers) if (await engine.container(id)) await engine.start(id);
await rm(note, { force: true });
