import { writeFile } from 'node:fs/promises';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { composeModelSchema } from '../../src/model/compose.js';
import { configSchema } from '../../src/model/config.js';
import { RollbackError } from '../../src/model/errors.js';
import { readBackupDir, readConfig, readLabels } from '../../src/project/config.js';
import { makeFolder, projectIn } from '../support/folder.js';

/** Whatever stands in `rollback.yaml`, in `x-rollback` or in labels: settings that make sense, or `config-invalid`; and always something for those who take the report. */

const INSIDE =
  'handler port health_path health_timeout needs probes consistency before_rollback after_rollback exec run http tcp expect status text timeout retries';
const STRANGE = 'recipients passphrase __proto__ constructor << api x';
const KEYS = ['', ...Object.keys(configSchema.shape), ...`${INSIDE} ${STRANGE}`.split(' ')];
const key = fc.constantFrom(...KEYS);
const scalar = fc.oneof(
  fc.constantFrom(
    '30s',
    '1e999h',
    '-1s',
    '/data',
    'age1x',
    'redis',
    'zstd',
    'pause',
    'always',
    '',
    '\0',
    '~',
  ),
  fc.constantFrom(null, true, false, 0, -1, 1, 0.5, 8080, 65_536, 1e21, 10),
  fc.string(),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  ),
}));
/** Mostly keys that are allowed there: explaining one that is not takes the schema apart, which is slow. */
const setting = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...Object.keys(configSchema.shape)) },
  { weight: 1, arbitrary: key },
);
const plausible = fc.dictionary(setting, value, { maxKeys: 3 }).map((document) => JSON.stringify(document));

/** Pieces that mean something to YAML, in any order. */
const piece = fc.oneof(
  key,
  fc.constantFrom(
    ': ',
    '\n',
    '\n  ',
    '- ',
    '[',
    ']',
    '{',
    '}',
    ', ',
    '"',
    "'",
    '| ',
    '>-\n',
    '? ',
    '---\n',
    '...\n',
    '# ',
  ),
  fc.constantFrom(
    '&a ',
    '*a',
    '*b',
    '<<: *a',
    '<<: 1',
    '<<: [*a, 1]',
    '!!binary ',
    '!!set ',
    '!!omap ',
    '!!timestamp ',
    '!x ',
    '!!int ',
  ),
  fc.constantFrom('2001-12-14', '0x1F', '.nan', '.inf', '\t', '\uFEFF', '%YAML 9.9\n', '%TAG ! x\n'),
  scalar.map(String),
);
const text = fc.oneof(
  plausible,
  fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
);

async function settingsOrInvalid(read: () => Promise<unknown>, check: (settings: unknown) => void) {
  let settings: unknown;
  try {
    settings = await read();
  } catch (error) {
    if (error instanceof RollbackError && error.code === 'config-invalid') return;
    throw error;
  }
  check(settings);
}

/** `FUZZ_CASES=10000` tries more. */
const CASES = Number(process.env['FUZZ_CASES'] ?? 2000);

test('rollback.yaml, compose files and labels of any text', async () => {
  const folder = await makeFolder();
  const project = projectIn(folder);
  let valid = 0;
  await fc.assert(
    fc.asyncProperty(
      text,
      fc.constantFrom('own', 'extension', 'label'),
      key,
      async (content, where, label) => {
        const own = where === 'own' ? content : '';
        const compose = where === 'extension' ? `x-rollback: ${content}` : 'services: {}';
        await writeFile(folder.at('rollback.yaml'), own);
        await writeFile(folder.at('compose.yaml'), compose);
        const labels = where === 'label' ? { [`rollback.${label}`]: content } : {};
        const model = composeModelSchema.parse({ services: { api: { labels } } });
        await settingsOrInvalid(
          async () => {
            const config = await readConfig(project);
            return { ...config, services: await readLabels(config.services, model, () => undefined) };
          },
          (settings) => {
            valid += 1;
            expect(settings).toMatchObject({
              max_rollback_points: expect.any(Number),
              services: expect.any(Object),
            });
          },
        );
        expect(await readConfig(project, () => undefined)).toMatchObject({ services: expect.any(Object) });
        await settingsOrInvalid(
          () => readBackupDir(project),
          (directory) => expect(directory === undefined || typeof directory === 'string').toBe(true),
        );
      },
    ),
    { numRuns: CASES },
  );
  expect(valid).toBeGreaterThan(CASES / 100);
}, 300_000);
