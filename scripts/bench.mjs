#!/usr/bin/env node
// Ratios that the project promises, each pair measured in turns in one run, medians of several:
//   npm run bench [-- create list rollback create-data unchanged restore-data pause downtime] [-- --runs 9]
//   npm run bench -- builds --against path/to/another/dist/main.js      this build and another, command by command
// Needs an engine (eval "$(scripts/lab.sh env)") with the lab's images, and a build in dist/.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { dataBenches } from './bench-data.mjs';

const { values, positionals } = parseArgs({
  options: { runs: { type: 'string', default: '9' }, against: { type: 'string' } },
  allowPositionals: true,
});
const RUNS = Number(values.runs);
const MAIN = join(import.meta.dirname, '../dist/main.js');
const NAME = 'compose-rollback-bench';

const directory = mkdtempSync(join(tmpdir(), `${NAME}-`));
const env = { ...process.env, DOCKER_BUILDKIT: '0', COMPOSE_PROJECT_NAME: NAME };

function run(program, ...args) {
  return execFileSync(program, args, {
    cwd: directory,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 26,
  });
}
const ours = (...args) => run(process.execPath, MAIN, ...args);
const docker = (...args) => run('docker', ...args);

function milliseconds(act) {
  const start = performance.now();
  act();
  return performance.now() - start;
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Measures both sides in turns, so that whatever else the machine does hits both. Without a limit it is told alone. */
async function compare(title, limit, subject, baseline, runs = RUNS) {
  const times = { subject: [], baseline: [] };
  for (let turn = 0; turn < runs; turn += 1) {
    times.baseline.push(await baseline());
    times.subject.push(await subject());
  }
  const [mine, base] = [median(times.subject), median(times.baseline)];
  const ratio = mine / base;
  const goal = limit === undefined ? '' : `limit ${limit.toFixed(2)}x, `;
  const verdict = limit === undefined ? '' : ratio <= limit ? 'ok' : 'TOO SLOW';
  console.log(
    `${title.padEnd(46)} ${mine.toFixed(0).padStart(6)} ms / ${base.toFixed(0).padStart(6)} ms = ${ratio.toFixed(2)}x (${goal}${runs} runs) ${verdict}`,
  );
}

const nodeStart = () => milliseconds(() => run(process.execPath, '-e', '0'));

const SERVER = `
require('node:http').createServer((_, response) => response.end(process.env.VERSION))
  .listen(8000);
process.on('SIGTERM', () => process.exit(0));
`;

const COMPOSE = `
services:
  api:
    image: ${NAME}-api:latest
    ports: ['127.0.0.1:18931:8000']
    healthcheck: { disable: true }
  redis:
    image: redis:7-alpine
    volumes: [data:/data]
  worker:
    image: busybox:latest
    command: sh -c 'trap exit TERM; while :; do sleep 1; done'
    init: true
volumes:
  data:
`;

function buildApi(version) {
  const context = join(directory, 'image');
  mkdirSync(context, { recursive: true });
  writeFileSync(join(context, 'server.js'), SERVER);
  writeFileSync(
    join(context, 'Dockerfile'),
    `FROM node:20-alpine\nENV VERSION=${version}\nCOPY server.js /\nCMD ["node", "/server.js"]\n`,
  );
  docker('build', '-q', '-t', `${NAME}-api:${version}`, context);
}

function up() {
  writeFileSync(join(directory, 'compose.yaml'), COMPOSE);
  for (const version of ['v1', 'v2']) buildApi(version);
  docker('tag', `${NAME}-api:v1`, `${NAME}-api:latest`);
  docker('compose', 'up', '-d');
}

function answer() {
  return new Promise((resolve) => {
    get('http://127.0.0.1:18931/', (response) => {
      let text = '';
      response.on('data', (data) => (text += data)).on('end', () => resolve(text));
    }).on('error', () => resolve(''));
  });
}

async function until(version) {
  while ((await answer()) !== version) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** create without volumes: against the engine calls it cannot avoid, plus Node's start. */
async function create() {
  await compare(
    'create, without volumes',
    2.5,
    () => milliseconds(() => ours('create', 'bench')),
    () => {
      const calls = milliseconds(() => {
        docker('compose', 'config', '--format', 'json');
        const ids = docker('compose', 'ps', '-aq').trim().split('\n');
        const images = docker('inspect', '--format', '{{.Image}}', ...ids)
          .trim()
          .split('\n');
        docker('image', 'inspect', ...images);
      });
      return calls + nodeStart();
    },
  );
}

/** list: against node -e 0. The points are copies of a real one, indexed by reindex. */
async function list() {
  const [{ id: original }] = JSON.parse(ours('list', '--json')).points;
  const point = JSON.parse(readFileSync(join(directory, 'rollback/backups', original, 'point.json'), 'utf8'));
  for (const [count, limit] of [
    [1000, 2.5],
    [10_000, 4],
  ]) {
    const path = join(directory, `points-${count}`);
    for (let i = 0; i < count; i += 1) {
      const id = `rb-${i.toString(16).padStart(12, '0')}`;
      const timestamp = new Date(Date.now() - i * 60_000).toISOString();
      const record = `${JSON.stringify({ ...point, id, timestamp, name: null }, null, 2)}\n`;
      const checksum = createHash('sha256').update(record).digest('hex');
      mkdirSync(join(path, id), { recursive: true, mode: 0o700 });
      writeFileSync(join(path, id, 'point.json'), record);
      writeFileSync(join(path, id, 'point.json.sha256'), `${checksum}  point.json\n`);
    }
    ours('--backup-dir', path, 'reindex');
    const subject = () => milliseconds(() => ours('--backup-dir', path, 'list'));
    await compare(`list, ${count} points`, limit, subject, nodeStart, RUNS * 2);
  }
}

/** Image-only rollback until the old version answers: against retagging and up by hand, for the same change. */
async function rollback(otherBuild) {
  const forward = async () => {
    docker('tag', `${NAME}-api:v2`, `${NAME}-api:latest`);
    docker('compose', 'up', '-d');
    await until('v2');
  };
  docker('tag', `${NAME}-api:v1`, `${NAME}-api:latest`);
  docker('compose', 'up', '-d');
  await until('v1');
  const point = ours('create', '--quiet', 'bench rollback', '--pin').trim();
  const timed = async (program, args) => {
    const start = performance.now();
    const child = spawn(program, args, { cwd: directory, env, stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await until('v1');
    const elapsed = performance.now() - start;
    if ((await ended) !== 0) throw new Error(`${program} ${args.join(' ')} failed`);
    return elapsed;
  };
  const rolledBackBy = (main) => async () => {
    await forward();
    return timed(process.execPath, [main, 'rollback', point, '--yes']);
  };
  if (otherBuild !== undefined) {
    const title = 'image-only rollback, against the other build';
    await compare(title, SAME, rolledBackBy(MAIN), rolledBackBy(otherBuild), RUNS * 2);
    return;
  }
  const baseline = async () => {
    await forward();
    const byHand = `docker tag ${NAME}-api:v1 ${NAME}-api:latest && docker compose up -d`;
    return timed('sh', ['-c', byHand]);
  };
  await compare('image-only rollback, until v1 answers', 1.5, rolledBackBy(MAIN), baseline);
}

/** What is left of a difference between two builds that do the same. */
const SAME = 1.05;

/** The same commands by this build and by another. */
async function builds() {
  const other = values.against;
  if (other === undefined) throw new Error('builds needs --against path/to/another/dist/main.js');
  for (const argv of [['create', 'bench'], ['list'], ['status'], ['rollback', 'latest', '--dry-run']]) {
    const by = (main) => () => milliseconds(() => run(process.execPath, main, ...argv));
    await compare(`${argv.join(' ')}, against the other build`, SAME, by(MAIN), by(other), RUNS * 3);
  }
  await rollback(other);
}

function down() {
  docker('compose', 'down', '-v', '--remove-orphans');
  const images = docker(
    'image',
    'ls',
    '--format',
    '{{.Repository}}:{{.Tag}}',
    '--filter',
    `reference=${NAME}-api`,
  );
  docker('image', 'rm', ...images.trim().split('\n'));
  rmSync(directory, { recursive: true, force: true });
}

const data = dataBenches({ compare, milliseconds, MAIN, RUNS });
const plain = {
  names: { create, list, rollback, builds },
  up: () => {
    up();
    ours('create', 'bench');
  },
  down,
};
const all = [...Object.keys(plain.names), ...Object.keys(data.names)];
const unknown = positionals.find((name) => !all.includes(name));
if (unknown) throw new Error(`no bench ${unknown}; there are ${all.join(', ')}`);
for (const group of [plain, data]) {
  const chosen = Object.entries(group.names).filter(([name]) =>
    positionals.length === 0 ? name !== 'builds' : positionals.includes(name),
  );
  if (chosen.length === 0) continue;
  try {
    group.up();
    for (const [, bench] of chosen) await bench();
  } finally {
    group.down();
  }
}
