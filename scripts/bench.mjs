#!/usr/bin/env node
// Ratios that the project promises, each pair measured in turns in one run, medians of several:
//   npm run bench [-- create list rollback services create-data unchanged restore-data pause downtime] [-- --runs 9]
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

/** create without volumes: against compose reading the same files once. */
async function create() {
  await compare(
    'create, without volumes',
    1.75,
    () => milliseconds(() => ours('create', 'bench')),
    () => milliseconds(() => docker('compose', 'config', '--format', 'json')),
    RUNS * 2,
  );
}

/** What a project of 10, 50 and 150 services takes, against what is to be expected of that number by the one of 10. */
async function services() {
  const times = {};
  for (const count of [10, 50, 150]) {
    writeProject(count, 'one');
    docker('compose', 'up', '-d', '--remove-orphans');
    const measured = { create: [], 'dry run': [], rollback: [] };
    for (let turn = 0; turn < 3; turn += 1) {
      let point;
      measured.create.push(milliseconds(() => (point = ours('create', '--quiet', 'bench services').trim())));
      writeProject(count, 'two');
      docker('compose', 'up', '-d');
      measured['dry run'].push(milliseconds(() => ours('rollback', point, '--dry-run')));
      measured.rollback.push(milliseconds(() => ours('rollback', point, '--yes')));
    }
    for (const [name, all] of Object.entries(measured)) (times[name] ??= []).push(median(all));
  }
  for (const [name, [ten, fifty, many]] of Object.entries(times)) {
    const growth = (many - fifty) / 100 / ((fifty - ten) / 40);
    const verdict = growth <= GROWTH ? 'ok' : 'TOO SLOW';
    const shown = [ten, fifty, many].map((time) => time.toFixed(0).padStart(6)).join(' ');
    console.log(
      `${`${name}, 10, 50 and 150 services`.padEnd(46)} ${shown} ms; a service more costs ${growth.toFixed(2)}x (limit ${GROWTH.toFixed(2)}x, 3 runs) ${verdict}`,
    );
  }
}

/** What one more of 150 services may cost against one more of 50: linear, and what is left for noise. */
const GROWTH = 1.25;

function writeProject(count, label) {
  const names = Array.from({ length: count }, (_, index) => `s${index}`);
  const service = (name) =>
    `  ${name}: { image: 'busybox:latest', command: [sleep, infinity], stop_signal: SIGKILL, labels: { round: ${name === 's0' ? label : 'same'} } }`;
  writeFileSync(join(directory, 'compose.yaml'), `services:\n${names.map(service).join('\n')}\n`);
}

/** list: against node -e 0. The points are copies of a real one, indexed by reindex. */
async function list() {
  const [{ id: original }] = JSON.parse(ours('list', '--json')).points;
  const point = JSON.parse(readFileSync(join(directory, 'rollback/backups', original, 'point.json'), 'utf8'));
  for (const [count, limit] of [
    [1000, 1.6],
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
  const pinned = (main) =>
    run(process.execPath, main, ...placeOf(main), 'create', '--quiet', 'bench rollback', '--pin').trim();
  const points = new Map([MAIN, otherBuild].flatMap((main) => (main ? [[main, pinned(main)]] : [])));
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
    return timed(process.execPath, [main, ...placeOf(main), 'rollback', points.get(main), '--yes']);
  };
  if (otherBuild !== undefined) {
    const title = 'image-only rollback, against the other build';
    await compare(title, MORE_FACTS, rolledBackBy(MAIN), rolledBackBy(otherBuild), RUNS * 2);
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

/** A build that knows more facts may take this much more for a rollback. */
const MORE_FACTS = 1.15;

/** Builds may have other formats of the store: each gets one of its own. */
const placeOf = (main) => ['--backup-dir', join(directory, main === MAIN ? 'points-here' : 'points-there')];

/** The same commands by this build and by another. */
async function builds() {
  const other = values.against;
  if (other === undefined) throw new Error('builds needs --against path/to/another/dist/main.js');
  for (const argv of [['create', 'bench'], ['list'], ['status'], ['rollback', 'latest', '--dry-run']]) {
    const by = (main) => () => milliseconds(() => run(process.execPath, main, ...placeOf(main), ...argv));
    await compare(`${argv.join(' ')}, against the other build`, SAME, by(MAIN), by(other), RUNS * 3);
  }
  await rollback(other);
}

function down() {
  writeFileSync(join(directory, 'compose.yaml'), COMPOSE);
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
  names: { create, list, rollback, builds, services },
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
