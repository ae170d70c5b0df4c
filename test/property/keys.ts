/**
 * The keys of compose files that compose 2.40 knows, by section of the file, as the JSON schema of compose-go 2.9.1 names them.
 * A key with keys below it has them in brackets.
 */
const SECTIONS = {
  services: `
    annotations attach blkio_config(device_read_bps(path rate) device_read_iops(path rate)
    device_write_bps(path rate) device_write_iops(path rate) weight weight_device(path weight))
    build(additional_contexts args cache_from cache_to context dockerfile dockerfile_inline entitlements
    extra_hosts isolation labels network no_cache platforms privileged provenance pull sbom secrets(gid
    mode source target uid) shm_size ssh tags target ulimits(hard soft)) cap_add cap_drop cgroup
    cgroup_parent command configs(gid mode source target uid) container_name cpu_count cpu_percent
    cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec(config file
    registry) depends_on(condition required restart) deploy(endpoint_mode labels mode
    placement(constraints max_replicas_per_node preferences(spread)) replicas resources(limits(cpus
    memory pids) reservations(cpus devices(capabilities count device_ids driver options)
    generic_resources(discrete_resource_spec(kind value)) memory)) restart_policy(condition delay
    max_attempts window) rollback_config(delay failure_action max_failure_ratio monitor order
    parallelism) update_config(delay failure_action max_failure_ratio monitor order parallelism))
    develop(watch(action exec(command environment privileged user working_dir) ignore include
    initial_sync path target)) device_cgroup_rules devices(permissions source target) dns dns_opt
    dns_search domainname entrypoint env_file(format path required) environment expose extends(file
    service) external_links extra_hosts gpus(capabilities count device_ids driver options) group_add
    healthcheck(disable interval retries start_interval start_period test timeout) hostname image init
    ipc isolation label_file labels links logging(driver options) mac_address mem_limit mem_reservation
    mem_swappiness memswap_limit models(endpoint_var model_var) network_mode networks(aliases
    driver_opts gw_priority interface_name ipv4_address ipv6_address link_local_ips mac_address
    priority) oom_kill_disable oom_score_adj pid pids_limit platform ports(app_protocol host_ip mode
    name protocol published target) post_start(command environment privileged user working_dir)
    pre_stop(command environment privileged user working_dir) privileged profiles provider(options type)
    pull_policy pull_refresh_after read_only restart runtime scale secrets(gid mode source target uid)
    security_opt shm_size stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty
    ulimits(hard soft) use_api_socket user userns_mode uts volumes(bind(create_host_path propagation
    recursive selinux) consistency image(subpath) read_only source target tmpfs(mode size) type
    volume(labels nocopy subpath)) volumes_from working_dir`,
  networks: `
    attachable driver driver_opts enable_ipv4 enable_ipv6 external(name) internal
    ipam(config(aux_addresses gateway ip_range subnet) driver options) labels name`,
  volumes: `
    driver driver_opts external(name) labels name`,
  configs: `
    content environment external(name) file labels name template_driver`,
  secrets: `
    driver driver_opts environment external(name) file labels name template_driver`,
};

/** Keys that no case changes, with the reason. A key here stands for all keys below it. */
export const EXCLUDED: Readonly<Record<string, string>> = {
  'configs.external': 'compose refuses it outside of Swarm',
  'configs.template_driver': 'compose refuses it outside of Swarm',
  'secrets.driver': 'compose refuses it outside of Swarm',
  'secrets.driver_opts': 'compose refuses it outside of Swarm',
  'secrets.external': 'compose refuses it outside of Swarm',
  'secrets.template_driver': 'compose refuses it outside of Swarm',
  'services.build.cache_from': 'needs a registry or a builder of its own',
  'services.build.cache_to': 'needs a builder of its own',
  'services.build.entitlements': 'the builder of the engine grants none',
  'services.build.sbom': 'needs an image of a generator',
  'services.build.isolation': 'Windows only',
  'services.build.platforms': 'other platforms need an emulator',
  'services.build.privileged': 'BuildKit refuses it',
  'services.build.ssh': 'needs an SSH agent',
  'services.cpu_rt_period': 'needs a kernel with real-time group scheduling',
  'services.cpu_rt_runtime': 'needs a kernel with real-time group scheduling',
  'services.blkio_config.weight': 'needs the blkio.weight file of the CFQ or BFQ scheduler',
  'services.blkio_config.weight_device': 'needs the blkio.weight_device file of the CFQ scheduler',
  'services.credential_spec': 'Windows only',
  'services.deploy.resources.reservations.devices': 'needs a GPU',
  'services.gpus': 'needs a GPU',
  'services.isolation': 'Windows only',
  'services.models': 'needs a model runner',
  'services.provider': 'needs a provider plug-in',
  'services.storage_opt': 'needs a storage driver with quotas',
  'services.use_api_socket': 'mounts the socket of the engine at its usual path, where tests have none',
};

export function isExcluded(key: string): boolean {
  return Object.keys(EXCLUDED).some((excluded) => key === excluded || key.startsWith(`${excluded}.`));
}

/** All keys as paths: `services.healthcheck.test`. */
export const ALL_KEYS: readonly string[] = Object.entries(SECTIONS).flatMap(([section, text]) =>
  parseKeys(section, text),
);

const KNOWN = new Set(ALL_KEYS);

function parseKeys(section: string, text: string): string[] {
  const parents = [section];
  const keys: string[] = [];
  for (const [token] of text.matchAll(/[a-z_0-9]+\(?|\)/g)) {
    if (token === ')') parents.pop();
    else {
      const key = `${parents.at(-1)}.${token.replace('(', '')}`;
      keys.push(key);
      if (token.endsWith('(')) parents.push(key);
    }
  }
  return keys;
}

export type Yaml = string | number | boolean | null | Yaml[] | { [key: string]: Yaml };

/** The keys whose values differ between two compose files, those above them included. */
export function changedKeys(before: Yaml, after: Yaml): string[] {
  const values = [leavesOf(before), leavesOf(after)] as const;
  const keys = new Set(values.flatMap((leaves) => [...leaves.keys()]));
  return [...keys].filter((key) => values[0].get(key) !== values[1].get(key));
}

/** The values below each known key, as text. Names that users choose (services, labels, options) are no keys. */
function leavesOf(file: Yaml): Map<string, string> {
  const leaves = new Map<string, string>();
  const visit = (value: Yaml, key: string) => {
    if (KNOWN.has(key)) leaves.set(key, `${leaves.get(key) ?? ''}${JSON.stringify(value)}`);
    if (typeof value !== 'object' || value === null) return;
    for (const [name, child] of Object.entries(value)) {
      const below = `${key}.${name}`;
      visit(child, KNOWN.has(below) ? below : key);
    }
  };
  if (typeof file === 'object' && file !== null) {
    for (const [section, things] of Object.entries(file)) {
      for (const thing of Object.values(things ?? {})) visit(thing, section);
    }
  }
  return leaves;
}
