import { existsSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { MAIN } from './e2e.js';

/** A DOCKER_CONFIG of its own, in this folder, in which docker finds our program as its plug-in; its path. */
export async function dockerConfigWithPlugin(folder: string): Promise<string> {
  const config = `${folder}/docker-config`;
  await mkdir(`${config}/cli-plugins`, { recursive: true });
  await symlink(MAIN, `${config}/cli-plugins/docker-rollback`);
  // Compose may just as well be installed for all users: then docker finds it anyway.
  const compose = `${process.env['DOCKER_CONFIG'] ?? `${homedir()}/.docker`}/cli-plugins/docker-compose`;
  if (existsSync(compose)) await symlink(compose, `${config}/cli-plugins/docker-compose`);
  return config;
}
