#!/usr/bin/env node
// Bundles the program, the library and its declarations into dist/. Most of a short command's time is the loading of modules: from a few bundled files it
// takes half of what it takes from node_modules. What is imported lazily stays in files of its own.
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';

const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));

// What is CommonJS inside of an ES module has to be given what it expects to find there.
const banner = `
import { createRequire as createRequireOf } from 'node:module';
import { dirname as directoryOf } from 'node:path';
import { fileURLToPath as pathOf } from 'node:url';
const require = createRequireOf(import.meta.url);
const __filename = pathOf(import.meta.url);
const __dirname = directoryOf(__filename);
`;

// gRPC and protocol buffers, most of the weight of dockerode, serve builds only, and we build no images.
const withoutBuildKit = {
  name: 'without-buildkit',
  setup(pending) {
    pending.onLoad({ filter: /dockerode\/lib\/(session|buildkit)\.js$/ }, () => ({
      contents: 'module.exports = () => { throw new Error("this program builds no images") }',
    }));
  },
};

// ssh2 and its ciphers weigh as much as all the rest, and few talk to their engine that way: a file of its own, read when it is needed.
const sshWhenNeeded = {
  name: 'ssh-when-needed',
  setup(pending) {
    pending.onLoad({ filter: /docker-modem\/lib\/ssh\.js$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const contents = text
        .replace("var Client = require('ssh2').Client,", 'var')
        .replace('new Client()', "new (require('./ssh2.cjs').Client)()");
      if (contents.includes("require('ssh2')") || !contents.includes('ssh2.cjs')) {
        return { errors: [{ text: `${path} is not what it was: see how it loads ssh2 now` }] };
      }
      return { contents };
    });
  },
};

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  // Less to read at each start; names stay, for stacks that people can read.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'linked',
  logLevel: 'warning',
};

await build({
  ...common,
  stdin: { contents: "module.exports = require('ssh2')", resolveDir: import.meta.dirname },
  outfile: 'dist/chunks/ssh2.cjs',
  format: 'cjs',
  external: ['cpu-features', '*.node'],
});
const { metafile } = await build({
  ...common,
  entryPoints: { main: 'src/main.ts', index: 'src/index.ts', watchdog: 'src/operations/watchdog.ts' },
  outdir: 'dist',
  chunkNames: 'chunks/[name]-[hash]',
  splitting: true,
  format: 'esm',
  // Machine code stays where npm put or made it.
  external: ['bindings', './ssh2.cjs', '*.node'],
  plugins: [withoutBuildKit, sshWhenNeeded],
  banner: { js: banner },
  define: { PACKAGE_VERSION: JSON.stringify(version) },
  metafile: true,
});
await copyFile('src/engine/podman-gate.sh', 'dist/podman-gate.sh');
// What is in which file, for those who look into what a command loads.
await writeFile('dist/meta.json', JSON.stringify(metafile));

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
