import { randomInt } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { OWN_NAME, parseMembership } from '../../src/model/facts.js';
import { readTar } from '../../src/store/tar.js';
import { docker, isPodmanBefore, PODMAN, testProject, type TestProject } from '../support/engine.js';

/** Of its own in each run: engines share the machine's addresses. */
const SUBNET = `10.${randomInt(64, 200)}.${randomInt(256)}`;
const MISSING = 'f'.repeat(64);
const IS_PODMAN = PODMAN !== undefined;
const IS_PODMAN_4 = await isPodmanBefore(5, 0);
/** Measured: 5.4.2 does not tell it, 5.8.6 does. */
const TELLS_CGROUP = !(await isPodmanBefore(5, 5));
/** What every container has for which nothing else was asked: the table of facts knows who gives it. */
const DEFAULTS = {
  ...(TELLS_CGROUP ? { cgroup: expect.stringMatching(/^(?:private|host)$/) } : {}),
  runtime: expect.stringMatching(/^(?:runc|crun)$/),
  logging: expect.any(String),
  ...(IS_PODMAN
    ? {
        ipc: 'shareable',
        shm_size: 65_536_000,
        pids_limit: 2048,
        // Measured: 4.3.1 does not tell it.
        ...(IS_PODMAN_4 ? {} : { stop_grace_period: 10 }),
        'ulimit.nofile': expect.any(Object),
        'ulimit.nproc': expect.any(Object),
      }
    : { ipc: 'private', shm_size: 64 << 20 }),
};
const TEMPORARY = { type: 'tmpfs', options: 'rprivate,nosuid,nodev,tmpcopyup' };
/** What Podman does not tell of what was asked for, or tells more of (measured, 5.8.6). */
const ON_PODMAN = IS_PODMAN
  ? {
      'sysctl.net.ipv4.ip_forward': undefined,
      'port.8000/tcp': [expect.stringMatching(/^127\.0\.0\.1:\d+$/)],
      'mount./scratch': TEMPORARY,
      // Measured, 4.3.1: file systems to write to, of a container that may not write to its own.
      ...(IS_PODMAN_4
        ? { 'mount./run': TEMPORARY, 'mount./tmp': TEMPORARY, 'mount./var/tmp': TEMPORARY }
        : {}),
    }
  : {};
const OF_IMAGE = {
  'environment.PATH': expect.stringContaining('/bin'),
  'environment.FROM': 'image',
  'label.compose-rollback.lab': 'stand-in',
  'label.of': 'image',
  ...(IS_PODMAN ? { 'label.io.buildah.version': expect.any(String) } : {}),
  'expose.9000/tcp': true,
  'mount./made': { type: 'volume', volume: expect.stringMatching(/^[0-9a-f]{64}$/) },
};

const compose = (image: string) => `
services:
  full:
    image: ${image}
    command: [sleep, "1000"]
    entrypoint: [/bin/busybox]
    environment: { PLAIN: a=b, EMPTY: "" }
    user: "12:34"
    working_dir: /tmp
    hostname: full-host
    labels: { com.example.tier: front }
    stop_signal: SIGUSR1
    stop_grace_period: 7s
    init: true
    tty: true
    restart: on-failure:3
    read_only: true
    cap_add: [NET_ADMIN]
    cap_drop: [CHOWN]
    extra_hosts: { db.internal: 10.1.2.3 }
    dns: [10.9.9.9]
    sysctls: { net.ipv4.ip_forward: "1" }
    mem_limit: 64m
    pids_limit: 50
    ulimits: { nofile: { soft: 100, hard: 200 } }
    shm_size: 32m
    healthcheck: { test: [CMD, "true"], interval: 90s, retries: 2 }
    expose: ["7000"]
    ports: ["127.0.0.1:0:8000/tcp"]
    volumes: ["data:/data", "./conf:/conf:ro"]
    tmpfs: [/scratch]
    networks: { fixed: { aliases: [other], ipv4_address: ${SUBNET}.9 } }
  none:
    image: ${image}
    command: [sleep, "1000"]
    stop_signal: SIGKILL
volumes:
  data:
networks:
  fixed:
    internal: true
    driver_opts: { com.docker.network.driver.mtu: "1400" }
    labels: { color: red }
    ipam: { config: [{ subnet: ${SUBNET}.0/24 }] }
`;

const DOCKERFILE = `
FROM busybox:latest
COPY given /given
RUN chmod 640 /given && mkdir /folder && touch /folder/file
ENV FROM=image
LABEL of=image
EXPOSE 9000
VOLUME /made
`;

/** What every engine must tell of settings and networks, against the interface alone. */
export function engineFactsSuite(name: string, make: () => Promise<Engine>): void {
  describe(`engine, settings and networks: ${name}`, () => {
    let engine: Engine;
    let project: TestProject;
    let full = '';
    let none = '';

    beforeAll(async () => {
      engine = await make();
      project = await testProject('engfacts');
      await project.write({
        'image/Dockerfile': DOCKERFILE,
        'image/given': 'given',
        'conf/a': 'a',
      });
      const image = `${project.name}:v1`;
      await docker('build', '--quiet', '--tag', image, project.path('image'));
      await project.write({ 'compose.yaml': compose(image) });
      await project.compose('create', '--pull', 'never');
      [[full = ''], [none = '']] = [await project.ids('full'), await project.ids('none')];
    });

    const network = async (key: string) =>
      (await engine.network(`${project.name}_${key}`)) ?? expect.fail(`no network ${key}`);
    /** How a container is connected to a network; undefined when it is not. */
    const membership = async (container: string, key: string) =>
      (await engine.container(container))?.settings[`network.${project.name}_${key}`];

    it('tells the settings of a container, and no defaults', async () => {
      const { settings = {} } = (await engine.container(full)) ?? {};
      expect(settings).toEqual({
        ...DEFAULTS,
        ...OF_IMAGE,
        name: `${project.name}-full-1`,
        command: ['sleep', '1000'],
        entrypoint: ['/bin/busybox'],
        'environment.EMPTY': '',
        'environment.PLAIN': 'a=b',
        user: '12:34',
        working_dir: '/tmp',
        stop_signal: 'SIGUSR1',
        stop_grace_period: 7,
        healthcheck: { Test: ['CMD', 'true'], Interval: 90_000_000_000, Retries: 2 },
        'expose.7000/tcp': true,
        'expose.8000/tcp': true,
        'label.com.example.tier': 'front',
        hostname: 'full-host',
        tty: true,
        init: true,
        restart: 'on-failure:3',
        read_only: true,
        cap_add: ['NET_ADMIN'],
        cap_drop: ['CHOWN'],
        'sysctl.net.ipv4.ip_forward': '1',
        dns: ['10.9.9.9'],
        extra_hosts: ['db.internal:10.1.2.3'],
        shm_size: 32 << 20,
        'ulimit.nofile': { soft: 100, hard: 200 },
        mem_limit: 64 << 20,
        pids_limit: 50,
        'mount./conf': { type: 'bind', source: project.path('conf'), read_only: true },
        'mount./data': { type: 'volume', volume: `${project.name}_data` },
        'mount./scratch': { type: 'tmpfs' },
        [`network.${project.name}_fixed`]: IS_PODMAN
          ? { aliases: ['full', 'other', OWN_NAME] }
          : { aliases: ['full', 'other', OWN_NAME], ipv4: `${SUBNET}.9` },
        'port.8000/tcp': ['127.0.0.1:0'],
        ...ON_PODMAN,
      });
    });

    it('tells of a container with few settings what its image and the engine give', async () => {
      expect((await engine.container(none))?.settings).toEqual({
        ...DEFAULTS,
        ...OF_IMAGE,
        name: `${project.name}-none-1`,
        command: ['sleep', '1000'],
        stop_signal: 'SIGKILL',
        [`network.${project.name}_default`]: { aliases: ['none', OWN_NAME] },
      });
    });

    it('tells the settings of an image', async () => {
      const { 'mount./made': _, ...settings } = OF_IMAGE;
      expect((await engine.image(`${project.name}:v1`))?.settings).toEqual({
        ...settings,
        command: ['sh'],
        'image_volume./made': true,
      });
    });

    it('tells a network with its settings, and its members, running or not', async () => {
      await engine.start(none);
      expect(await network('fixed')).toMatchObject({
        name: `${project.name}_fixed`,
        settings: {
          driver: 'bridge',
          internal: true,
          subnets: [expect.objectContaining({ subnet: `${SUBNET}.0/24` })],
          // Podman's name for it is shorter.
          [IS_PODMAN ? 'option.mtu' : 'option.com.docker.network.driver.mtu']: '1400',
          'label.color': 'red',
        },
        labels: { color: 'red' },
        members: [full],
      });
      expect((await network('default')).members).toEqual([none]);
      await engine.stop(none);
      expect((await network('default')).members).toEqual([none]);
      expect(await engine.network(`${project.name}_fixe`)).toBeUndefined();
    });

    it('connects and disconnects, each twice like once, running or not', async () => {
      const fixed = `${project.name}_fixed`;
      const asked = parseMembership({ aliases: ['friend'], ipv4: `${SUBNET}.77` });
      for (const isRunning of [true, false]) {
        await (isRunning ? engine.start(none) : engine.stop(none));
        await engine.connect(fixed, none, asked);
        await engine.connect(fixed, none, asked);
        const address = IS_PODMAN ? {} : { ipv4: `${SUBNET}.77` };
        // A running one has a hardware address, too.
        expect(await membership(none, 'fixed')).toMatchObject({ aliases: ['friend'], ...address });
        const given = (await engine.container(none))?.addresses[fixed];
        if (isRunning) expect(given).toBe(`${SUBNET}.77`);
        expect(new Set((await network('fixed')).members)).toEqual(new Set([full, none]));
        await engine.disconnect(fixed, none);
        await engine.disconnect(fixed, none);
        expect(await membership(none, 'fixed')).toBeUndefined();
        expect((await network('fixed')).members).toEqual([full]);
      }
      await engine.disconnect(fixed, MISSING);
      await engine.disconnect(`${fixed}-gone`, none);
      await expect(engine.connect(`${fixed}-gone`, none, asked)).rejects.toMatchObject({ code: 'failed' });
      await expect(engine.connect(fixed, MISSING, asked)).rejects.toMatchObject({ code: 'failed' });
    });

    it('removes a network without containers, twice like once, and no other', async () => {
      const made = await docker('network', 'create', `${project.name}-spare`);
      onTestFinished(() => engine.removeNetwork(made));
      await engine.start(none);
      await engine.connect(`${project.name}-spare`, none, parseMembership({}));
      onTestFinished(() => engine.disconnect(`${project.name}-spare`, none));
      await expect(engine.removeNetwork(made)).rejects.toMatchObject({ code: 'failed' });
      await engine.disconnect(`${project.name}-spare`, none);
      await engine.removeNetwork(made);
      await engine.removeNetwork(made);
      expect(await engine.hasNetwork(`${project.name}-spare`)).toBe(false);
    });

    it('gives one file of a container that never ran, and tells what is none', async () => {
      const archive = (await engine.fileArchive(full, '/given')) ?? expect.fail('no archive');
      for await (const { type, mode, size, content } of readTar(archive, '/given')) {
        expect({ type, mode, size }).toEqual({ type: 'file', mode: 0o640, size: 5 });
        expect((await buffer(content)).toString()).toBe('given');
      }
      expect(await engine.fileArchive(full, '/not-given')).toBeUndefined();
      expect(await engine.fileArchive(full, '/given/below')).toBeUndefined();
      const directory = (await engine.fileArchive(full, '/folder')) ?? expect.fail('no archive');
      for await (const { type } of readTar(directory, '/folder')) {
        expect(type).toBe('directory');
        break;
      }
    });
  });
}
