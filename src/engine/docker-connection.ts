import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import type Dockerode from 'dockerode';
import { RollbackError } from '../model/errors.js';
import { readWholeAnswers } from './docker-answers.js';
import { socketPath, type Endpoint } from './endpoint.js';

/** Connects nothing yet: the first question does. Throws `engine-unreachable` when the TLS files cannot be read. */
export async function clientOf(endpoint: Endpoint): Promise<Dockerode> {
  const [{ default: Docker }, options] = await Promise.all([import('dockerode'), connection(endpoint)]);
  const docker = new Docker(options);
  readWholeAnswers(docker);
  return docker;
}

/** dockerode's options: all named, because what is not comes from its own reading of DOCKER_HOST. */
async function connection(endpoint: Endpoint) {
  const nowhere = { host: undefined, port: undefined, username: undefined, timeout: undefined };
  const path = socketPath(endpoint.host);
  if (path !== undefined) {
    const agent = quiet(new http.Agent({ keepAlive: true }));
    return { ...nowhere, socketPath: path, protocol: 'http' as const, agent };
  }
  const url = new URL(endpoint.host);
  const host = { ...nowhere, host: url.hostname };
  if (url.protocol === 'ssh:') {
    const sshOptions = endpoint.sshAgent === undefined ? {} : { agent: endpoint.sshAgent };
    const username = decodeURIComponent(url.username) || callersName(endpoint.host);
    return { ...host, username, port: url.port || undefined, protocol: 'ssh' as const, sshOptions };
  }
  if (endpoint.certPath === undefined && url.protocol !== 'https:') {
    const agent = quiet(new http.Agent({ keepAlive: true }));
    return { ...host, port: url.port || '2375', protocol: 'http' as const, agent };
  }
  const agent = quiet(new https.Agent({ keepAlive: true }));
  const files = endpoint.certPath === undefined ? {} : await tlsFiles(endpoint.certPath);
  return { ...host, port: url.port || '2376', protocol: 'https' as const, agent, ...files };
}

/** As ssh itself: who is not named is who calls. In containers many have no name. */
function callersName(host: string): string {
  try {
    return userInfo().username;
  } catch (thrown) {
    throw new RollbackError(
      'engine-unreachable',
      `who to be at ${host} is not known: you have no user name here`,
      {
        hint: 'name the user: ssh://USER@HOST',
        cause: thrown,
      },
    );
  }
}

/** docker-modem describes all options of every request for its debug log, read or not; an agent with its sockets takes milliseconds each time. */
function quiet<T extends http.Agent>(agent: T): T {
  return Object.assign(agent, { [inspect.custom]: () => agent.constructor.name });
}

async function tlsFiles(directory: string): Promise<{ ca: Buffer; cert: Buffer; key: Buffer }> {
  const read = (name: string) => readFile(join(directory, name));
  try {
    const [ca, cert, key] = await Promise.all([read('ca.pem'), read('cert.pem'), read('key.pem')]);
    return { ca, cert, key };
  } catch (thrown) {
    throw new RollbackError('engine-unreachable', `the TLS files in ${directory} cannot be read`, {
      hint: 'ca.pem, cert.pem and key.pem must be there: check DOCKER_CERT_PATH or the docker context',
      cause: thrown,
    });
  }
}
