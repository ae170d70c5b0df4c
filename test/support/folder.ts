import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Container } from '../../src/model/engine.js';
import type { Project, ProjectSelection } from '../../src/model/project.js';

export interface Folder {
  /** Absolute, without symbolic links; gone when the test ends. */
  path: string;
  at: (relative: string) => string;
  write: (files: Record<string, string>, mode?: number) => Promise<void>;
}

/** A temporary folder `name` with these files. */
export async function makeFolder(files: Record<string, string> = {}, name = 'shop'): Promise<Folder> {
  const parent = await realpath(await mkdtemp(join(tmpdir(), 'project-')));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  const path = join(parent, name);
  const folder: Folder = {
    path,
    at: (relative) => join(path, relative),
    write: async (texts, mode = 0o644) => {
      for (const [relative, text] of Object.entries(texts)) {
        await mkdir(dirname(join(path, relative)), { recursive: true });
        await writeFile(join(path, relative), text);
        await chmod(join(path, relative), mode);
      }
    },
  };
  await mkdir(path);
  await folder.write(files);
  return folder;
}

export function selectionIn(cwd: string, more: Partial<ProjectSelection> = {}): ProjectSelection {
  return { cwd, env: {}, ...more };
}

export function projectIn(folder: Folder, more: Partial<Project> = {}): Project {
  return {
    name: 'shop',
    directory: folder.path,
    files: [folder.at('compose.yaml')],
    origin: 'default',
    profiles: [],
    envFiles: [],
    ...more,
  };
}

/** A running container of project `shop`, as compose v2 makes it. */
export function containerOf(service: string, more: Partial<Container> = {}): Container {
  return {
    id: `id-${service}`,
    name: `shop-${service}-1`,
    project: 'shop',
    service,
    number: 1,
    oneOff: false,
    state: 'running',
    exitCode: undefined,
    startedAt: '2026-01-01T00:00:00Z',
    restart: 'no',
    restartCount: 0,
    pid: 1,
    imageId: `sha256:${'0'.repeat(64)}`,
    imageManifest: undefined,
    imageRef: 'busybox:latest',
    configHash: 'made',
    composeVersion: '2.26.1',
    labels: {},
    env: {},
    command: [],
    mounts: [],
    ports: [],
    exposed: [],
    addresses: {},
    networkMode: 'shop_default',
    user: '',
    needs: [],
    joins: [],
    health: 'none',
    settings: {},
    ...more,
  };
}
