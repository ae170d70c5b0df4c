import { bytes, plural } from '../../plan/text.js';
import { result, when, type Result } from './checks.js';
import { freeBytes, isWritable, type Machine } from './machine-facts.js';
import type { Podman } from './podman-facts.js';
import type { Source } from '../source.js';

/** What the machine and its user need to have: the categories system, permissions and security. */

const LITTLE_MEMORY = 512 * 1024 ** 2;
/** What Podman itself needs, whatever the project. */
const LITTLE_DISK = 1e9;
const ENOUGH_IDS = 65_536;

export async function systemResults(
  { platform, kernel, processors, memory }: Machine,
  { project, docker }: Source,
  podman: Podman | undefined,
): Promise<Result[]> {
  const storage = podman?.storage.directory ?? project.directory;
  const free = await freeBytes(storage);
  const moved = 'version' in docker ? docker.images + (docker.volumes ?? 0) : 0;
  const needed = moved + LITTLE_DISK;
  return [
    result(
      'system.platform',
      'elsewhere Podman runs in a virtual machine, and nothing of this is seen from here',
      `Linux ${kernel}, ${plural(processors, 'processor')}`,
      when(
        platform !== 'linux',
        'critical',
        `this is ${platform}`,
        'call it on the machine where containers run',
      ),
    ),
    result(
      'system.memory',
      'both engines run side by side while things are carried over',
      `${bytes(memory.available)} of ${bytes(memory.total)} memory available`,
      when(
        memory.available < LITTLE_MEMORY,
        'warning',
        `${bytes(memory.available)} memory available`,
        `free some: ${bytes(LITTLE_MEMORY)} should be there`,
      ),
    ),
    result(
      'system.disk',
      'images and volumes are copied: for a while they are there twice',
      `${bytes(free)} free in ${storage}, ${bytes(needed)} needed`,
      when(
        free < needed,
        'critical',
        `${bytes(free)} free in ${storage}, ${bytes(needed)} needed`,
        `free ${bytes(needed - free)} there`,
      ),
    ),
  ];
}

export async function permissionResults(
  { user, subordinate, missingMappers, namespaces }: Machine,
  { project }: Source,
  rootless: boolean,
): Promise<Result[]> {
  const writable = result(
    'permissions.project',
    'reports, points and the backup are written below it',
    `${project.directory} can be read and written`,
    when(
      !(await isWritable(project.directory)),
      'warning',
      `${project.directory} cannot be read and written`,
      `call it as its owner, or: sudo chown -R ${user.name} ${project.directory}`,
    ),
  );
  if (!rootless) return [writable];
  const { uids, gids } = subordinate;
  const ids = Math.min(uids, gids);
  return [
    writable,
    result(
      'permissions.user-namespaces',
      'without root every container lives in a user namespace',
      'user namespaces are allowed',
      when(
        !namespaces.user,
        'critical',
        'user namespaces are switched off',
        'sudo sysctl user.max_user_namespaces=28633, on Debian kernel.unprivileged_userns_clone=1 too',
      ),
    ),
    result(
      'permissions.subordinate-ids',
      'other users than root in a container are subordinate ids outside',
      `${user.name} has ${uids} subordinate uids and ${gids} gids`,
      when(
        ids < ENOUGH_IDS,
        ids === 0 ? 'critical' : 'warning',
        `${user.name} has ${uids} subordinate uids and ${gids} gids; ${ENOUGH_IDS} are usual`,
        `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user.name} && podman system migrate`,
      ),
    ),
    result(
      'permissions.id-mappers',
      'they put subordinate ids into a namespace',
      'newuidmap and newgidmap are there',
      when(
        missingMappers.length > 0,
        'critical',
        `there is no ${missingMappers.join(' and no ')} on PATH`,
        'sudo apt install uidmap, or sudo dnf install shadow-utils',
      ),
    ),
  ];
}

export function securityResults({ user }: Machine, podman: Podman | undefined, rootless: boolean): Result[] {
  const own = result(
    'security.root',
    'who breaks out of a container of rootless Podman is that user, and not root',
    `${user.name} is not root`,
    when(
      !rootless,
      'note',
      'Podman would run as root',
      'nothing has to be done; called as another user, it would be rootless',
    ),
  );
  if (!podman) return [own];
  const { selinux, apparmor, cgroups } = podman;
  return [
    own,
    result(
      'security.confinement',
      'SELinux wants labels on what containers see of the host; AppArmor has a profile for them',
      selinux ? 'SELinux is enforcing' : apparmor ? 'AppArmor is on' : 'neither SELinux nor AppArmor is on',
      undefined,
    ),
    result(
      'security.cgroups',
      'limits, and pausing, take control groups; without root those of version 2',
      `control groups ${cgroups}`,
      when(
        cgroups === 'v1',
        rootless ? 'warning' : 'note',
        `control groups v1, which Podman 6 does not run on${rootless ? ': no limits hold, and nothing can be paused' : ''}`,
        'boot with systemd.unified_cgroup_hierarchy=1',
      ),
    ),
  ];
}
