// The part of the bench that is about volume data: a volume of 700 MB in 10,000 mixed files, in use by a service that runs.
import { execFileSync, spawn } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FILES = 10_000;
const BYTES = 700_000_000;
const STOCK = 32 * 1024 * 1024;
const NAME = 'compose-rollback-bench-data';
const PORT = 18932;

const COMPOSE = `
services:
  holder:
    image: busybox:latest
    command: [sleep, infinity]
    stop_signal: SIGKILL
    volumes: [data:/data]
  redis:
    image: redis:7-alpine
    ports: ['127.0.0.1:${PORT}:6379']
    volumes: [store:/data]
volumes:
  data:
  store:
`;

/**
 * The same mixture each time, a quarter of the files each of what volumes hold: prose, logs, pages of a database, and what is compressed already. Files
 * are pieces of a stock that is larger than zstd's window.
 */
function fill(directory, files = FILES, bytes = BYTES) {
  const stocks = makeStocks();
  const size = Math.floor(bytes / files);
  for (let i = 0; i < files; i += 1) {
    const folder = join(directory, `folder-${i % 100}`);
    if (i < 100) mkdirSync(folder, { recursive: true });
    const stock = stocks[i % stocks.length];
    let rest = Math.floor(size * (0.2 + (i % 17) / 10));
    let at = (i * 1_000_003) % stock.length;
    const file = openSync(join(folder, `file-${i}`), 'w');
    while (rest > 0) {
      const piece = stock.subarray(at, at + rest);
      writeSync(file, piece);
      rest -= piece.length;
      at = 0;
    }
    closeSync(file);
  }
}

function makeStocks() {
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
  const random = (length) => noise.update(Buffer.alloc(length));
  const words = Array.from({ length: 20_000 }, (_, i) => {
    const letters = random(3 + (i % 9));
    return Buffer.from(letters.map((byte) => 97 + (byte % 26))).toString();
  });
  const stock = (make) => {
    const whole = Buffer.alloc(STOCK);
    for (let at = 0; at < STOCK;) {
      const piece = Buffer.from(make(random(64)));
      at += piece.copy(whole, at);
    }
    return whole;
  };
  // The lower the number, the more often it is drawn, as in any language.
  const draw = (bytes, at) => words[Math.floor(words.length * (bytes.readUInt16LE(at) / 65_536) ** 4)];
  const prose = (bytes) => `${Array.from({ length: 16 }, (_, i) => draw(bytes, i * 2)).join(' ')}.\n`;
  let clock = 1_700_000_000_000;
  const log = (bytes) =>
    `${JSON.stringify({
      time: new Date((clock += bytes[0])).toISOString(),
      level: bytes[1] < 240 ? 'info' : 'error',
      request: bytes.toString('hex', 2, 10),
      path: `/${draw(bytes, 10)}/${draw(bytes, 12)}/${bytes.readUInt16LE(14)}`,
      status: bytes[16] < 200 ? 200 : 404,
      milliseconds: bytes.readUInt16LE(17) / 100,
    })}\n`;
  let row = 0;
  const page = (bytes) => {
    const made = Buffer.alloc(8192);
    for (let at = 24; at < 6500; at += 64) {
      made.writeUInt32LE((row += 1), at);
      made.writeDoubleLE(bytes.readUInt32LE(at % 60) / 100, at + 8);
      made.write(`${draw(bytes, at % 62)} ${draw(random(2), 0)}`, at + 20);
    }
    return made;
  };
  return [stock(prose), stock(log), stock(page), random(STOCK)];
}

export function dataBenches({ compare, milliseconds, MAIN, RUNS }) {
  const directory = mkdtempSync(join(tmpdir(), `${NAME}-`));
  const env = { ...process.env, COMPOSE_PROJECT_NAME: NAME, RESTIC_PASSWORD: 'bench' };
  const run = (program, args, options = {}) =>
    execFileSync(program, args, {
      cwd: directory,
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 2 ** 26,
      ...options,
    });
  const sh = (script, ...args) => run('sh', ['-c', script, 'sh', ...args]);
  const docker = (...args) => run('docker', args).trim();
  const ours = (...args) => run(process.execPath, [MAIN, ...args]).trim();
  const folderOf = (volume) =>
    docker('volume', 'inspect', `${NAME}_${volume}`, '--format', '{{.Mountpoint}}');
  const out = join(directory, 'out');
  const runs = Math.max(3, Math.floor(RUNS / 2));
  let touched = 0;

  /** One file is another: nothing can be taken from an earlier point. */
  const touch = () => {
    writeFileSync(join(folderOf('data'), 'touched'), String((touched += 1)));
    sh('sync');
  };

  async function createData() {
    const subject = () => {
      touch();
      return milliseconds(() => ours('create', '--include-volumes', '--services', 'holder'));
    };
    const byTar = () => {
      touch();
      rmSync(out, { force: true });
      return milliseconds(() =>
        sh('tar -C "$1" -cf - . | zstd -q -3 -T2 -o "$2" && sync "$2"', folderOf('data'), out),
      );
    };
    await compare('create --include-volumes, against tar | zstd', 1.2, subject, byTar, runs);
    const byReference = () => {
      touch();
      return milliseconds(() =>
        docker(
          'run',
          '--rm',
          '-v',
          `${NAME}_data:/data`,
          '-v',
          `${directory}:/out`,
          'busybox:latest',
          'tar',
          'czf',
          '/out/out',
          '-C',
          '/data',
          '.',
        ),
      );
    };
    await compare('  against a helper container with tar czf', 1 / 6, subject, byReference, 3);
  }

  async function unchanged() {
    const repository = join(directory, 'restic');
    run('restic', ['init', '-q', '-r', repository]);
    const restic = () => run('restic', ['backup', '-q', '-r', repository, folderOf('data')]);
    restic();
    sh('sync; sleep 0.1');
    ours('create', '--include-volumes', '--services', 'holder');
    const subject = () => milliseconds(() => ours('create', '--include-volumes', '--services', 'holder'));
    await compare('unchanged second point, against restic', 0.5, subject, () => milliseconds(restic), runs);
  }

  async function restoreData() {
    await onXfs(async ({ mount, project }) => {
      const point = run(process.execPath, [MAIN, 'create', '--quiet', '--include-volumes'], project).trim();
      const archive = join(mount, 'rollback/backups', point, 'volumes/directories/data.tar.zst');
      const operations = [];
      const subject = async () => {
        sh('sync');
        // Until the services run again with it: archiving what was replaced is what a person does not wait for.
        const time = await timedUntil('Verifying', ['rollback', point, '--yes'], project);
        operations.push(timeOfData(mount));
        return time;
      };
      const byHand = () => {
        const place = join(mount, 'by-hand');
        mkdirSync(place);
        sh('sync');
        const time = milliseconds(() =>
          sh('zstd -q -dc "$1" | tar -C "$2" -xpf - && sync -f "$2"', archive, place),
        );
        rmSync(place, { recursive: true });
        return time;
      };
      await compare('a whole rollback of data, against zstd | tar', undefined, subject, byHand, runs);
      await compare(
        '  restore alone: unpacked, synced, exchanged',
        1.2,
        () => operations.shift(),
        byHand,
        runs,
      );
    });
  }

  /** Milliseconds that the last run took for the data itself, by its journal. */
  function timeOfData(mount) {
    const journals = join(mount, 'rollback/backups/runs');
    const newest = readdirSync(journals)
      .map((name) => join(journals, name))
      .toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
    const records = readFileSync(newest, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const [begin] = records;
    const at = (type, step) => Date.parse(records.find((one) => one.type === type && one.step === step).at);
    return begin.plan.operations
      .map(({ kind }, step) =>
        /^(?:stage|restore)-volume$/.test(kind) ? at('done', step) - at('doing', step) : 0,
      )
      .reduce((sum, time) => sum + time, 0);
  }

  /** Milliseconds until the program says so; it is waited for afterwards. */
  async function timedUntil(words, args, options) {
    const start = performance.now();
    const child = spawn(process.execPath, [MAIN, ...args], {
      ...options,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    let elapsed;
    child.stderr.on('data', (data) => {
      text += data;
      if (elapsed === undefined && text.includes(words)) elapsed = performance.now() - start;
    });
    const code = await new Promise((resolve) => child.once('exit', resolve));
    if (code !== 0) throw new Error(text);
    return elapsed;
  }

  /**
   * A file system of its own, with reflinks, with the data in it: what was deleted elsewhere shortly before would slow the making of files (ext4 without
   * a journal does).
   */
  async function onXfs(act) {
    const disk = join(directory, 'disk');
    const mount = join(directory, 'xfs');
    mkdirSync(mount);
    sh('truncate -s 6G "$1" && mkfs.xfs -q -m reflink=1 "$1" && mount -o loop "$1" "$2"', disk, mount);
    try {
      fill(join(mount, 'data'));
      const file = join(mount, 'compose.yaml');
      const holder =
        "image: busybox:latest, command: [sleep, infinity], stop_signal: SIGKILL, volumes: ['./data:/data']";
      writeFileSync(file, `services: { holder: { ${holder} } }\n`);
      const project = { cwd: mount, env: { ...env, COMPOSE_PROJECT_NAME: `${NAME}-xfs` } };
      run('docker', ['compose', 'up', '-d'], project);
      await act({ mount, project });
      run('docker', ['compose', 'down'], project);
      dropKeptTags(join(mount, 'rollback/backups'));
    } finally {
      sh('umount "$1"; rm "$2"; rmdir "$1"', mount, disk);
    }
  }

  /** How long the service stands still, with reflinks. */
  async function pause() {
    await onXfs(async ({ mount, project }) => {
      const subject = () => {
        writeFileSync(join(mount, 'data/touched'), String((touched += 1)));
        const since = new Date().toISOString();
        run(process.execPath, [MAIN, 'create', '--include-volumes'], project);
        const events = run('docker', [
          'events',
          '--since',
          since,
          '--until',
          new Date().toISOString(),
          '--filter',
          'event=pause',
          '--filter',
          'event=unpause',
          '--format',
          '{{.TimeNano}}',
        ]);
        const [paused, unpaused] = events.trim().split('\n').map(Number);
        return (unpaused - paused) / 1e6;
      };
      const byHand = () => {
        const copy = join(mount, 'copy');
        const time = milliseconds(() => run('cp', ['-a', '--reflink=always', join(mount, 'data'), copy]));
        rmSync(copy, { recursive: true });
        return time;
      };
      await compare('pause on XFS, against cp --reflink', 1.5, subject, byHand, runs);
    });
  }

  /** The longest time without an answer while Redis' data is restored, whatever its size. */
  async function downtime() {
    for (const megabytes of [10, 500, 4000]) {
      fill(join(folderOf('store'), 'ballast'), 20, megabytes * 1e6);
      const point = ours('create', '--quiet', '--include-volumes', '--services', 'redis', '--pin');
      const subject = () =>
        silence(process.execPath, [MAIN, 'rollback', point, '--yes', '--services', 'redis']);
      const restart = () => silence('docker', ['restart', `${NAME}-redis-1`]);
      await compare(
        `downtime of Redis with ${megabytes} MB, against docker restart`,
        1.5,
        subject,
        restart,
        3,
      );
      ours('delete', point, '--yes', '--force');
    }
  }

  async function silence(program, args) {
    const child = spawn(program, args, { cwd: directory, env, stdio: 'ignore' });
    let last = performance.now();
    let longest = 0;
    while (child.exitCode === null) {
      if (await pings()) {
        longest = Math.max(longest, performance.now() - last);
        last = performance.now();
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    while (!(await pings())) await new Promise((resolve) => setTimeout(resolve, 10));
    return Math.max(longest, performance.now() - last);
  }

  function pings() {
    return new Promise((resolve) => {
      const socket = createConnection({ port: PORT, host: '127.0.0.1', timeout: 1000 });
      const end = (answer) => {
        socket.destroy();
        resolve(answer);
      };
      socket.on('connect', () => socket.write('PING\r\n'));
      socket.on('data', (data) => end(data.toString().startsWith('+PONG')));
      for (const event of ['error', 'close', 'timeout']) socket.on(event, () => end(false));
    });
  }

  return {
    names: { 'create-data': createData, unchanged, 'restore-data': restoreData, pause, downtime },
    up() {
      writeFileSync(join(directory, 'compose.yaml'), COMPOSE);
      docker('compose', 'up', '-d');
      fill(folderOf('data'));
    },
    down() {
      docker('compose', 'down', '-v');
      dropKeptTags(join(directory, 'rollback/backups'));
      rmSync(directory, { recursive: true, force: true });
    },
  };

  function dropKeptTags(backups) {
    if (!existsSync(backups)) return;
    const format = '{{.Repository}}:{{.Tag}}';
    const kept = docker('image', 'ls', '--format', format, 'compose-rollback/kept').split('\n');
    const points = readdirSync(backups).filter((name) => name.startsWith('rb-'));
    const own = kept.filter((tag) => points.some((id) => tag.includes(id)));
    if (own.length > 0) docker('image', 'rm', ...own);
  }
}
