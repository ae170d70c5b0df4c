import { expect, it } from 'vitest';
import { isOnMount, ownContainerId, parseMounts } from '../../src/session/container.js';

const ID = '0123456789abcdef'.repeat(4);

/** Lines of `/proc/self/mountinfo`, shortened after the mount point. */
const docker = parseMounts(`1 0 0:50 / / rw - overlay overlay rw
2 1 8:1 /var/lib/docker/containers/${ID}/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda1 rw
3 1 8:1 /var/lib/docker/containers/${ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw
4 1 8:1 /srv/my\\040shop /srv/my\\040shop rw - ext4 /dev/sda1 rw
`);
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
