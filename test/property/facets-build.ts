import { top, web, type Facet, type Fragment, type Mapping } from './fragments.js';

/** Images: by name, by a tag that moved, and built ones. */

const moved = (version: string): Fragment => ({
  ...web({ image: '%NAME%-app:1' }),
  outside: [['tag', `compose-rollback-property:${version}`, '%NAME%-app:1']],
});

const DOCKERFILE = [
  'FROM busybox:latest AS plain',
  'ARG COLOUR=none',
  'LABEL colour=$COLOUR',
  'FROM plain AS other',
  'LABEL stage=other',
  'FROM plain',
  '',
].join('\n');

const build = (values: Mapping, more: Partial<Fragment> = {}): Fragment => ({
  ...web({ image: '%NAME%-built', build: { context: '.', ...values } }),
  ...more,
  files: { Dockerfile: DOCKERFILE, 'Other.Dockerfile': `${DOCKERFILE}LABEL file=other\n`, ...more.files },
});

/** Settings of the build that leave nothing in this image. */
const settings = (n: number): Fragment =>
  build(
    {
      dockerfile_inline: `FROM busybox:latest\nLABEL n=${n}\nRUN --mount=type=secret,id=target${n} true\n`,
      additional_contexts: { more: `./more${n}` },
      extra_hosts: [`one:192.0.2.${n}`],
      network: n === 1 ? 'host' : 'none',
      no_cache: n === 1,
      provenance: n === 1,
      ...(n === 2 && { pull: false }),
      shm_size: `${n}m`,
      tags: [`%NAME%-tag:${n}`],
      ulimits: { nofile: { soft: n * 1000, hard: n * 2000 } },
      secrets: [
        {
          source: `given${n}`,
          target: `target${n}`,
          uid: `${n}`,
          gid: `${n}`,
          mode: n === 1 ? 0o400 : 0o440,
        },
      ],
    },
    {
      ...top({ secrets: { [`given${n}`]: { file: './given.key' } } }),
      files: { 'given.key': 'one\n', [`more${n}/a`]: 'a\n' },
    },
  );

export const BUILD_FACETS: Facet[] = [
  {
    name: 'image',
    values: [
      {},
      web({ image: 'compose-rollback-property:a' }),
      web({ image: 'compose-rollback-property:b' }),
    ],
  },
  { name: 'image tag moved', values: [moved('a'), moved('b')], clash: ['image'] },
  {
    name: 'build',
    values: [
      build({}),
      build({ args: { COLOUR: 'red' } }),
      build({ args: ['COLOUR=blue'] }),
      build({ target: 'other' }),
      build({ dockerfile: 'Other.Dockerfile' }),
      build({ labels: { a: '1' } }),
      build({ context: './sub' }, { files: { 'sub/Dockerfile': `${DOCKERFILE}LABEL sub=1\n` } }),
    ],
    clash: ['image'],
  },
  { name: 'build settings', values: [settings(1), settings(2)], clash: ['image', 'secrets'] },
  {
    name: 'pull_policy',
    values: [{}, web({ pull_policy: 'missing', pull_refresh_after: '1h' }), web({ pull_policy: 'never' })],
    clash: ['build'],
    unseen: 'only says when images are pulled',
  },
];
