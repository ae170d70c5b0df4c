// Loaded before the program (node --import): kills it with SIGKILL at one of its durable steps, from outside of its own code. A step is anything that
// somebody else could see afterwards: a sync, a rename, a link, a removal, a request that changes the engine, the start of a program.
// KILL_AT=N kills at step N, KILL_WHEN=before|after says on which side of it; KILL_COUNT=FILE leaves the number of steps there. With KILL_JOURNAL=yes
// only writes to the journals of runs are steps.
import { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import promises from 'node:fs/promises';
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';

const { KILL_AT, KILL_WHEN, KILL_COUNT, KILL_JOURNAL } = process.env;
let steps = 0;

const die = () => process.kill(process.pid, 'SIGKILL');

function before() {
  steps += 1;
  if (steps === Number(KILL_AT) && KILL_WHEN === 'before') die();
  return steps;
}

function after(step) {
  if (step === Number(KILL_AT) && KILL_WHEN === 'after') die();
}

function counted(owner, name) {
  const real = owner[name];
  owner[name] = async function step(...args) {
    const number = before();
    const result = await real.apply(this, args);
    after(number);
    return result;
  };
}

const handle = await promises.open('/dev/null');
const prototype = Object.getPrototypeOf(handle);
await handle.close();

function countJournals() {
  const journals = new WeakSet();
  const realOpen = promises.open;
  promises.open = async function open(path, ...rest) {
    const opened = await realOpen.call(this, path, ...rest);
    if (/run-\w+\.jsonl$/.test(String(path))) journals.add(opened);
    return opened;
  };
  for (const name of ['sync', 'datasync']) {
    const real = prototype[name];
    prototype[name] = async function step(...args) {
      const number = journals.has(this) ? before() : 0;
      const result = await real.apply(this, args);
      after(number);
      return result;
    };
  }
}

function countAll() {
  for (const name of ['sync', 'datasync']) counted(prototype, name);
  for (const name of ['rename', 'link', 'unlink', 'rm', 'symlink']) counted(promises, name);
  countRequests();
  countPrograms();
}

function countRequests() {
  const realRequest = http.request;
  http.request = function request(options, ...rest) {
    const changes = !['GET', 'HEAD'].includes(options.method ?? 'GET');
    const number = changes ? before() : 0;
    const made = realRequest.call(this, options, ...rest);
    if (changes) made.prependOnceListener('response', () => after(number));
    return made;
  };
}

function countPrograms() {
  const realSpawn = ChildProcess.prototype.spawn;
  ChildProcess.prototype.spawn = function spawn(...args) {
    const number = before();
    const result = realSpawn.apply(this, args);
    after(number);
    return result;
  };
}

if (KILL_JOURNAL) countJournals();
else countAll();
syncBuiltinESMExports();
if (KILL_COUNT) process.on('exit', () => writeFileSync(KILL_COUNT, String(steps)));
