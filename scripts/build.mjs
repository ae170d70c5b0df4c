#!/usr/bin/env node
// Bundles the program, the library and its declarations into dist/. Most of a short command's time is the loading of modules: from one file it takes a
// third of what it takes from node_modules. What is imported lazily stays in files of its own.
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';

const root = join(import.meta.dirname, '..');
const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));

/** A plugin that replaces `from` by `to` in a library's file. Fails where that is not there: the library has changed. */
function patch(file, from, to) {
  return {
    name: `patch ${file.source}`,
    transform: {
      filter: { id: file },
      handler(code) {
        if (!from.every((text) => code.includes(text)))
          this.error(`${file.source} changed: see what it loads now`);
        return from.reduce((text, part, index) => text.replace(part, to[index]), code);
      },
    },
  };
}

const plugins = [
  // gRPC and protocol buffers, most of the weight of dockerode, serve builds only, and we build no images.
  {
    name: 'without BuildKit',
    load: {
      filter: { id: /dockerode\/lib\/(session|buildkit)\.js$/ },
      handler: () => 'module.exports = () => { throw new Error("this program builds no images") }',
    },
  },
  // ssh2 and its ciphers weigh as much as all the rest, and few people reach their engine by it: a file of its own, read when it is needed.
  patch(
    /docker-modem\/lib\/ssh\.js$/,
    ["var Client = require('ssh2').Client,", 'new Client()'],
    ['var', "new (require('./ssh2.cjs').Client)()"],
  ),
  {
    name: 'ssh2 stays outside',
    resolveId: (id) => (id === './ssh2.cjs' ? { id, external: true } : undefined),
  },
  // Only for commands that are programs of their own, which we have none of.
  patch(/commander\/lib\/command\.js$/, ["const childProcess = require('node:child_process');"], ['']),
];

const common = {
  platform: 'node',
  transform: { target: 'node20.19', define: { PACKAGE_VERSION: JSON.stringify(version) } },
  checks: { pluginTimings: false, ineffectiveDynamicImport: false },
};
// Less to read at each start; names stay, for stacks that people can read.
const minify = { compress: true, mangle: false, codegen: true };

/**
 * What is loaded together stays in one file: each further file costs about half a millisecond. A module goes into the first of these files that needs it:
 * of what every command loads, what commands load that ask the engine, and what runs load.
 */
const FILES = [
  ['start', ['cli/run.ts']],
  [
    'present',
    ['runs/opening.ts', 'engine/docker.ts', 'project/contents.ts', 'points/create.ts', 'points/status.ts'],
  ],
  ['run', ['rollback/work.ts', 'rollback/rollback.ts', 'runs/undo.ts', 'runs/recover.ts']],
];
const groups = FILES.map(([name, entries], index) => {
  let ids;
  return {
    debugName: name,
    priority: FILES.length - index,
    name(id, modules) {
      ids ??= importsOf(entries, modules);
      return ids.has(id) ? name : null;
    },
  };
});

/** These modules and all that they import at once, also by others. */
function importsOf(entries, modules) {
  const found = new Set();
  const open = entries.map((entry) => join(root, 'src', entry));
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    open.push(...(modules.getModuleInfo(id)?.importedIds ?? []));
  }
  return found;
}

const ssh = await rolldown({
  ...common,
  input: join(root, 'node_modules/ssh2/lib/index.js'),
  external: ['cpu-features', /\.node$/],
});
await ssh.write({ file: join(root, 'dist/chunks/ssh2.cjs'), format: 'cjs', minify });

const program = await rolldown({
  ...common,
  cwd: root,
  input: { main: 'src/main.ts', index: 'src/index.ts', watchdog: 'src/operations/watchdog.ts' },
  // Machine code stays where npm put or made it.
  external: ['bindings', /\.node$/],
  plugins,
});
const bundle = await program.write({
  dir: 'dist',
  format: 'esm',
  minify,
  chunkFileNames: 'chunks/[name]-[hash].js',
  codeSplitting: { groups },
});
await copyFile('src/engine/podman-gate.sh', 'dist/podman-gate.sh');
// What is in which file, for those who look into what a command loads.
const contents = bundle.output.map(({ fileName, moduleIds = [] }) => [
  `dist/${fileName}`,
  moduleIds.map((id) => id.replace(`${root}/`, '')),
]);
await writeFile('dist/meta.json', JSON.stringify(Object.fromEntries(contents)));

// One file holds every declaration that consumers can reach. They do not have the libraries that we bundle.
const declarations = await rollup({
  input: 'dist/declarations/index.d.ts',
  external: /^node:/,
  plugins: [dts()],
});
const { output } = await declarations.write({ file: 'dist/index.d.ts' });
const foreign = output[0].imports.filter((name) => !name.startsWith('node:'));
if (foreign.length > 0) {
  throw new Error(
    `dist/index.d.ts imports ${foreign.join(', ')}: write these types out, see Plan in src/model/plan.ts`,
  );
}
await rm('dist/declarations', { recursive: true });
