import { execFileSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { gunzipped, readImageArchive } from '../../src/operations/image-archive.js';
import { isMissing, skipWithout } from '../support/needs.js';
import { hex, pieces, rawTar, type RawEntry } from '../support/tars.js';

/** Image archives in the shapes that engines write, made by hand. What a real one writes and takes is in the tests with an engine. */

const LAYERS = [Buffer.from('one layer'), Buffer.alloc(3000, 'another ')];
const diffIds = LAYERS.map((layer) => `sha256:${hex(layer)}`);
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const config = json({ rootfs: { type: 'layers', diff_ids: diffIds } });

const read = (entries: RawEntry[]) => readImageArchive(pieces(rawTar(entries)), 'the archive');

const manifest = (more: object = {}): RawEntry => ({
  path: 'manifest.json',
  content: json([{ Config: 'config.json', RepoTags: null, Layers: ['1/layer.tar', '2/layer.tar'], ...more }]),
});
const classic = (more: object = {}): RawEntry[] => [
  { path: '1/', type: 'Directory' },
  { path: '1/layer.tar', ...(LAYERS[0] && { content: LAYERS[0] }) },
  { path: '2/layer.tar', ...(LAYERS[1] && { content: LAYERS[1] }) },
  { path: 'config.json', content: config },
  manifest(more),
];

describe('is read', () => {
  test('as engines up to 24 write it', async () => {
    expect(await read(classic())).toEqual([[{ tags: [], diffIds, layers: diffIds }]]);
  });

  test('in the OCI layout, layers compressed or not', async () => {
    const blobs = [gzipSync(LAYERS[0] ?? ''), LAYERS[1] ?? Buffer.alloc(0)];
    const paths = blobs.map((blob) => `blobs/sha256/${hex(blob)}`);
    const entries = [
      { path: 'oci-layout', content: json({ imageLayoutVersion: '1.0.0' }) },
      ...blobs.map((content, at) => ({ path: paths[at] ?? '', content })),
      manifest({ Config: 'blobs/sha256/c', Layers: paths, RepoTags: ['a:1'] }),
      { path: 'blobs/sha256/c', content: config },
    ];
    expect(await read(entries)).toEqual([[{ tags: ['a:1'], diffIds, layers: diffIds }]]);
  });

  test('with a layer that is there twice as a link', async () => {
    const same = `sha256:${hex(LAYERS[0] ?? Buffer.alloc(0))}`;
    const [first, , , ...rest] = classic({ Layers: ['1/layer.tar', '2/layer.tar'] });
    const linked: RawEntry[] = [
      ...(first ? [first] : []),
      { path: '2/layer.tar', type: 'SymbolicLink', linkpath: '../1/layer.tar' },
      { path: '1/layer.tar', content: LAYERS[0] ?? Buffer.alloc(0) },
      { path: 'config.json', content: config },
      ...rest.filter(({ path }) => path === 'manifest.json'),
    ];
    expect(await read(linked)).toMatchObject([[{ layers: [same, same] }]]);
  });

  test('with layers that are not those it lists: that is told', async () => {
    const swapped = classic({ Layers: ['2/layer.tar', '1/layer.tar'] });
    expect(await read(swapped)).toEqual([[{ tags: [], diffIds, layers: diffIds.toReversed() }]]);
  });

  test('without any layer', async () => {
    const empty = [
      { path: 'config.json', content: json({ rootfs: { type: 'layers' } }) },
      manifest({ Layers: null }),
    ];
    expect(await read(empty)).toEqual([[{ tags: [], diffIds: [], layers: [] }]]);
  });
});

describe('is damaged', () => {
  const large = Buffer.alloc(5 * 1024 * 1024, ' ');
  large.write('[');
  const cases: Record<string, RawEntry[]> = {
    'without a manifest': classic().slice(0, -1),
    'with a manifest of nothing': [{ path: 'manifest.json', content: json([]) }],
    'with a manifest that is no JSON': [{ path: 'manifest.json', content: Buffer.from('[') }],
    'with a manifest that is too large to be one': [{ path: 'manifest.json', content: large }],
    'without its configuration': classic().filter(({ path }) => path !== 'config.json'),
    'without a layer': classic().filter(({ path }) => path !== '2/layer.tar'),
    'with links in a circle': [
      ...classic({ Layers: ['a'] }),
      { path: 'a', type: 'SymbolicLink', linkpath: 'b' },
      { path: 'b', type: 'SymbolicLink', linkpath: 'a' },
    ],
    'with a link that leaves': [
      ...classic({ Layers: ['a'] }),
      { path: 'a', type: 'SymbolicLink', linkpath: '../../etc/passwd' },
    ],
    'with two files of one name': [...classic(), manifest()],
    'with a layer that does not decompress': classic().map((entry) =>
      entry.path === '1/layer.tar' ? { ...entry, content: gzipSync('text').subarray(0, 15) } : entry,
    ),
    'with more documents than an image has': [
      ...Array.from({ length: 10 }, (_, at) => ({
        path: `${at}`,
        content: large.subarray(0, 4 * 1024 * 1024),
      })),
      ...classic(),
    ],
    'with more entries than an image has': Array.from({ length: 10_001 }, (_, at) => ({ path: `${at}` })),
  };
  for (const [what, entries] of Object.entries(cases)) {
    test(`${what}: told, and refused`, async () => {
      await expect(read(entries)).rejects.toMatchObject({
        code: 'damaged',
        message: expect.stringContaining('the archive is damaged'),
      });
    });
  }
});

const zstd = (bytes: Buffer) => execFileSync('zstd', ['-q', '-c'], { input: bytes });

describe('layers that are compressed with zstd', () => {
  skipWithout('zstd');

  afterEach(() => {
    vi.unstubAllEnvs();
    vi.resetModules();
  });
  const packed = () =>
    classic().map((entry) =>
      entry.path === '2/layer.tar' ? { ...entry, content: zstd(LAYERS[1] ?? Buffer.alloc(0)) } : entry,
    );

  test('are those that the configuration lists', async () => {
    expect(await read(packed())).toEqual([[{ tags: [], diffIds, layers: diffIds }]]);
  });

  test('are damaged when they end too early', async () => {
    const cut = packed().map((entry) =>
      entry.path === '2/layer.tar'
        ? { ...entry, content: entry.content?.subarray(0, -5) ?? Buffer.alloc(0) }
        : entry,
    );
    await expect(read(cut)).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringContaining('the archive is damaged: it does not decompress'),
    });
  });

  test('cannot be checked without the program: it is told which', async () => {
    const archive = rawTar(packed());
    vi.resetModules();
    vi.stubEnv('PATH', '/nowhere');
    const without = await import('../../src/operations/image-archive.js');
    await expect(without.readImageArchive(pieces(archive), 'the archive')).rejects.toMatchObject({
      code: 'not-supported',
      message:
        'the archive cannot be checked: "2/layer.tar" in it is compressed with zstd, and there is no program zstd',
      hint: 'install zstd',
    });
  });
});

describe('the OCI layout', () => {
  const blobs = new Map<string, RawEntry>();
  /** The descriptor of these bytes, which are in the archive unless they are `absent`. */
  const blob = (content: Buffer, annotations?: Record<string, string>, absent = false) => {
    const digest = `sha256:${hex(content)}`;
    if (!absent) blobs.set(digest, { path: `blobs/sha256/${hex(content)}`, content });
    return { digest, size: content.length, ...(annotations && { annotations }) };
  };
  const [one = Buffer.alloc(0), two = Buffer.alloc(0)] = LAYERS;
  const compressed = () => (isMissing('zstd') ? gzipSync(two) : zstd(two));
  const image = (annotations?: Record<string, string>) =>
    blob(
      json({ schemaVersion: 2, config: blob(config), layers: [blob(gzipSync(one)), blob(compressed())] }),
      annotations,
    );
  /** As BuildKit makes it: a manifest whose layer is a statement about an image. */
  const attestation = () =>
    blob(
      json({
        schemaVersion: 2,
        config: blob(json({ architecture: 'unknown', os: 'unknown', rootfs: { diff_ids: ['sha256:a'] } })),
        layers: [blob(json({ predicateType: 'https://slsa.dev/provenance/v1' }))],
      }),
      { 'vnd.docker.reference.type': 'attestation-manifest', 'vnd.docker.reference.digest': image().digest },
    );
  const otherPlatform = (absent: boolean) =>
    blob(
      json({ schemaVersion: 2, config: blob(json({ os: 'linux' }), undefined, true), layers: [] }),
      undefined,
      absent,
    );
  const index = (manifests: unknown[], annotations?: Record<string, string>) =>
    blob(json({ schemaVersion: 2, manifests }), annotations);

  /** What the layout names, beside a `manifest.json` of the same image. */
  const named = async (manifests: unknown[]) => {
    const layout = [
      { path: 'oci-layout', content: json({ imageLayoutVersion: '1.0.0' }) },
      { path: 'index.json', content: json({ schemaVersion: 2, manifests }) },
    ];
    const [listed, images] = await read([...layout, ...classic(), ...blobs.values()]);
    expect(listed).toEqual([{ tags: [], diffIds, layers: diffIds }]);
    return images;
  };
  afterEach(() => blobs.clear());
  const found = { tags: [], diffIds, layers: diffIds };

  test('names an image by its manifest', async () => {
    expect(await named([image()])).toEqual([found]);
  });

  test('names it by an index, with its attestations and other platforms that are absent or there in part', async () => {
    const all = [otherPlatform(true), image(), otherPlatform(false), attestation()];
    expect(await named([index(all)])).toEqual([found]);
  });

  test.each([
    [{ 'io.containerd.image.name': 'docker.io/library/redis:7' }, ['docker.io/library/redis:7']],
    [{ 'org.opencontainers.image.ref.name': '7' }, ['7']],
    [{ 'containerd.io/distribution.source.docker.io': 'library/redis' }, []],
  ])('tells the names that loading it would give: %j', async (annotations, tags) => {
    expect(await named([image(annotations)])).toEqual([{ ...found, tags }]);
    expect(await named([index([image()], annotations)])).toEqual([{ ...found, tags }]);
  });

  test('tells an image that only one of the lists has', async () => {
    const other = blob(json({ schemaVersion: 2, config: blob(json({ rootfs: {} })), layers: [] }));
    expect(await named([other])).toEqual([{ tags: [], diffIds: [], layers: [] }]);
    expect(await named([])).toEqual([]);
  });

  test('ends where an index names itself', async () => {
    const self = { digest: `sha256:${'a'.repeat(64)}` };
    blobs.set(self.digest, {
      path: `blobs/sha256/${'a'.repeat(64)}`,
      content: json({ manifests: [self, image()] }),
    });
    expect(await named([self])).toEqual([found]);
  });

  test.each([[{}], [{ digest: '../../etc/passwd' }], ['text']])(
    'is damaged by %j for an image',
    async (entry) => {
      await expect(named([entry])).rejects.toMatchObject({
        code: 'damaged',
        message: expect.stringContaining('"index.json" does not make sense'),
      });
    },
  );
});

describe('gunzip', () => {
  const packed = gzipSync(Buffer.alloc(200_000, 'text'), { level: 1 });
  const all = async (bytes: Buffer) => {
    let length = 0;
    for await (const piece of gunzipped(pieces(bytes), 'it')) length += piece.byteLength;
    return length;
  };

  test('gives all of it', async () => {
    expect(await all(packed)).toBe(200_000);
  });

  test.each([0, 10, 100, packed.length - 1])('refuses the first %i bytes alone', async (length) => {
    await expect(all(packed.subarray(0, length))).rejects.toMatchObject({ code: 'damaged' });
  });

  test('passes on what its source throws, and closes it', async () => {
    let closed = false;
    const source = async function* () {
      try {
        yield packed.subarray(0, 200);
        throw new Error('the disk is gone');
      } finally {
        closed = true;
      }
    };
    const reading = async () => {
      for await (const _ of gunzipped(source(), 'it'));
    };
    await expect(reading()).rejects.toThrow('the disk is gone');
    expect(closed).toBe(true);
  });
});
