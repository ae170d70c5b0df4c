import { describe, expect, it } from 'vitest';
import {
  assertOutlivesContainer,
  isOnMount,
  ownContainerId,
  parseMounts,
} from '../../src/session/container.js';
import { aPresent } from '../support/planning.js';

const ID = '0123456789abcdef'.repeat(4);

/** Lines of `/proc/self/mountinfo`, shortened after the mount point. */
const MOUNTINFO = `1 0 0:50 / / rw - overlay overlay rw
2 1 8:1 /var/lib/docker/containers/${ID}/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda1 rw
3 1 8:1 /var/lib/docker/containers/${ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw
4 1 8:1 /srv/my\\040shop /srv/my\\040shop rw - ext4 /dev/sda1 rw
`;
const docker = parseMounts(MOUNTINFO);
const podman = parseMounts(
  `9 1 0:24 /containers/storage/overlay-containers/${ID}/userdata/hosts /etc/hosts rw - tmpfs tmpfs rw\n`,
);
/** On the machine itself containers' folders are mounted too, elsewhere. */
const machine = parseMounts(`1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:60 / /var/lib/docker/containers/${ID}/mounts/shm rw - tmpfs shm rw
`);

it('knows the container that it is in, on Docker and on Podman', () => {
  expect([docker, podman, machine].map(ownContainerId)).toEqual([ID, ID, undefined]);
});

it('tells what outlives a container by the mounts in it', () => {
  expect(isOnMount(docker, '/srv/my shop/rollback/backups')).toBe(true);
  expect(isOnMount(docker, '/srv/my shops')).toBe(false);
  expect(isOnMount(docker, '/srv')).toBe(false);
});

describe('a backup directory in a container', () => {
  const [container] = aPresent({ services: { api: {} } }).services['api']?.containers ?? [];
  const engineWith = (id: string) => ({ containers: async () => (container ? [{ ...container, id }] : []) });

  it('is refused when it would vanish with it', async () => {
    await expect(
      assertOutlivesContainer(engineWith(ID), '/shop/rollback/backups', MOUNTINFO),
    ).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining('nothing was made') });
  });

  it('is made on a mount, and where the engine is another container or a part of this one', async () => {
    await assertOutlivesContainer(engineWith(ID), '/srv/my shop/rollback/backups', MOUNTINFO);
    await assertOutlivesContainer(engineWith('another'), '/shop/rollback/backups', MOUNTINFO);
  });
});
