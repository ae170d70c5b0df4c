import { BUILD_FACETS } from './facets-build.js';
import { NETWORK_FACETS } from './facets-network.js';
import { PROCESS_FACETS } from './facets-process.js';
import { RESOURCE_FACETS } from './facets-resources.js';
import { STORAGE_FACETS } from './facets-storage.js';
import type { Facet } from './fragments.js';

/** Everything that a generated model may have, and that a case may change. */
export const FACETS: readonly Facet[] = [
  ...PROCESS_FACETS,
  ...RESOURCE_FACETS,
  ...NETWORK_FACETS,
  ...STORAGE_FACETS,
  ...BUILD_FACETS,
];

/** Changes of facets that a rollback may refuse before it touches anything, with the reason. */
export const MAY_BLOCK: Readonly<Record<string, string>> = {
  'volume definition': 'a volume whose definition differs is never recreated silently',
};

/** Changes after which a rollback ends with 23, because nothing can take them back, with the reason. */
export const MAY_REPORT: Readonly<Record<string, string>> = {
  'volume definition': 'labels of a volume cannot be changed, and to make it anew would lose its data',
};

/** Facets with keys that older engines and Podman do not have, and what they lack. */
export const ONLY_NEWEST_DOCKER: Readonly<Record<string, string>> = {
  annotations: 'Docker 24 has them first',
  cgroup_parent: 'depends on the cgroup driver',
  external_links: "Podman has no links, and Docker's are of the default bridge",
  healthcheck: 'Docker 25 has start_interval first',
  depends_on: 'Docker 25 has start_interval first',
  logging: 'drivers differ',
  'network IPAM': 'Docker 28 can leave IPv4 out first',
  'network definition': 'options of drivers differ',
  'networks settings': 'Docker 28 has interface_name and gw_priority first',
  runtime: "the names of Docker's runtimes",
  'volumes image': 'Docker 28 has image mounts first',
  'volumes subpath': 'Docker 26 has subpaths first',
};

/** Facets that later engines have, and why containers of Docker 20.10 cannot have them. */
export const NOT_ON_DOCKER_20: Readonly<Record<string, string>> = {
  pid: 'compose now and then fails to stop a container that ends with the one whose processes it shares',
};

/** Facets with keys that compose 2.26 refuses; compose 2.40 has all of them. */
export const ONLY_NEWER_COMPOSE: Readonly<Record<string, string>> = {
  'build settings': 'provenance',
  develop: 'include',
  env_file: 'format',
  'volumes volume': 'labels of a mount',
};

/** Facets with keys that compose 1.29 refuses, besides those of the lists above. */
export const ONLY_COMPOSE_2: Readonly<Record<string, string>> = {
  attach: 'unknown',
  cgroup: 'unknown',
  'configs in words': 'content',
  'configs of content': 'content',
  'configs of the environment': 'environment',
  'deploy limits': 'pids',
  devices: 'the long form',
  'env_file required': 'the long form',
  label_file: 'unknown',
  ports: 'host_ip in the long form',
  'ports in words': 'app_protocol',
  post_start: 'unknown',
  pre_stop: 'unknown',
  'secrets of the environment': 'environment',
  uts: 'unknown',
  'volumes bind': 'create_host_path',
  'volumes tmpfs': 'mode',
};

/** Facets that today's Podman has, and why containers of Podman 4.3 cannot have them. */
export const NOT_ON_PODMAN_4: Readonly<Record<string, string>> = {
  ulimits: 'it leaves out its own limits then, and takes some that are higher than it may set',
  'volume definition': 'it takes the size of a file system in memory for a quota',
};

/** Facets that are on all of Docker's engines, and why Podman cannot have them. */
export const NOT_ON_PODMAN: Readonly<Record<string, string>> = {
  'build settings': 'BuildKit has them, and Podman another builder',
  develop: 'needs a build that BuildKit alone can do',
  ipc: 'compose cannot make a container anew that others live in',
  links: 'Podman has none',
  pid: 'compose cannot make a container anew that others live in',
};
