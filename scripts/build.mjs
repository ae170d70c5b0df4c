#!/usr/bin/env node
// Bundles the program and the library into dist/. Most of a short command's time is the loading of modules: from a few bundled files it
// takes half of what it takes from node_modules. What is imported lazily stays in files of its own.
import { readFile, rm } from 'node:fs/promises';
import { build } from 'esbuild';

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

await rm('dist/chunks', { recursive: true, force: true });
await build({
  entryPoints: ['src/main.ts', 'src/index.ts', 'src/watchdog.ts'],
  outdir: 'dist',
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // Machine code stays where npm put or made it.
  external: ['bindings', 'cpu-features', '*.node'],
  plugins: [withoutBuildKit],
  banner: { js: banner },
  define: { PACKAGE_VERSION: JSON.stringify(version) },
  legalComments: 'linked',
  logLevel: 'warning',
});
