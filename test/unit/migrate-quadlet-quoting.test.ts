import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { quadletOf } from '../../src/migrate/quadlet/quadlet.js';
import { composeModelSchema } from '../../src/model/compose.js';

/** Whatever stands in a compose file arrives in the container as it is: read back as Podman's generator and systemd read. */

const RUNS = { numRuns: 2000 };

const STRANGE = Array.from('%$\\"\'\n\t {}[];#=hx07é\u0001\u007f\u0085');

/** Of what means something to one of the readers, and anything else. */
const text = fc
  .oneof(
    fc.string({ unit: fc.constantFrom(...STRANGE), minLength: 1 }),
    fc.string({ unit: 'grapheme', minLength: 1 }),
  )
  .filter((one) => !one.includes('\0'));

/** Values of a key in the unit of a service. Each line is either a section, or a key and its value. */
function valuesOf(key: string, service: object): string[] {
  const model = composeModelSchema.parse({ services: { web: { image: 'a', ...service } } });
  const { units } = quadletOf(model, { project: 'shop', profiles: [] });
  const unit = units.find(({ name }) => name === 'shop-web.container')?.text ?? '';
  const lines = unit.split('\n').filter((line) => line !== '' && !/^#|^\[\w+\]$/.test(line));
  const known =
    /^(?:Description|ContainerName|Image|Network|Exec|Label|HostName|WorkingDir|HealthCmd|PodmanArgs)=/;
  for (const line of lines) expect(line).toMatch(known);
  return lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
}

const ESCAPES: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  s: ' ',
};

/** Words as in systemd.syntax(7): quotes hold blanks together, a backslash begins an escape. */
function wordsOf(value: string): string[] {
  const words: string[] = [];
  const token = /\s+|"((?:[^"\\]|\\[^])*)"|([^\s"'\\]+)|([^])/gy;
  let last: string | undefined;
  for (const [all, within, bare, strange] of value.matchAll(token)) {
    if (strange !== undefined) throw new Error(`a stray ${JSON.stringify(strange)}`);
    if (/^\s/.test(all)) {
      if (last !== undefined) words.push(last);
      last = undefined;
    } else last = (last ?? '') + (bare ?? unescaped(within ?? ''));
  }
  return last === undefined ? words : [...words, last];
}

function unescaped(quoted: string): string {
  return quoted.replace(/\\(?:x([0-9a-f]{2})|([^]))/g, (_, code: string | undefined, one: string) => {
    if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
    if (['\\', '"', "'"].includes(one)) return one;
    const meant = ESCAPES[one];
    if (meant === undefined) throw new Error(`an unknown escape \\${one}`);
    return meant;
  });
}

/** What systemd puts into a command: a specifier or a variable in it would be another text. */
function expanded(word: string): string {
  return word.replace(/%(.?)|\$(.?)/gs, (all) => {
    if (all === '%%' || all === '$$') return all.charAt(0);
    throw new Error(`${JSON.stringify(all)} would be expanded`);
  });
}

/** The rest of the line, as the newest generators take it: blanks and quotes at its ends go. */
const wholeOf = (value: string): string => expanded(value.trim().replace(/^"+|"+$/g, ''));

it('words of a command', () => {
  fc.assert(
    fc.property(
      fc.array(
        text.filter((one) => one !== ';'),
        { minLength: 1 },
      ),
      (command) => {
        const [exec = ''] = valuesOf('Exec', { command });
        expect(wordsOf(exec).map(expanded)).toEqual(command);
      },
    ),
    RUNS,
  );
});

it('an entrypoint, as the JSON that podman reads', () => {
  fc.assert(
    fc.property(fc.array(text, { minLength: 1 }), (entrypoint) => {
      const words = valuesOf('PodmanArgs', { entrypoint }).flatMap(wordsOf).map(expanded);
      expect(words).toHaveLength(1);
      expect(JSON.parse(words[0]?.replace(/^--entrypoint=/, '') ?? '')).toEqual(entrypoint);
    }),
    RUNS,
  );
});

it('labels', () => {
  fc.assert(
    fc.property(text, (value) => {
      const words = valuesOf('Label', { labels: { key: value } }).flatMap(wordsOf);
      expect(words.map(expanded)).toEqual([`key=${value}`]);
    }),
    RUNS,
  );
});

it.each([
  ['HostName', '--hostname=', (value: string) => ({ hostname: value })],
  ['WorkingDir', '--workdir=', (value: string) => ({ working_dir: value })],
])('%s, or where no rest of a line can hold it the argument', (key, argument, service) => {
  fc.assert(
    fc.property(text, (value) => {
      const whole = valuesOf(key, service(value)).map(wholeOf);
      const words = valuesOf('PodmanArgs', service(value)).flatMap(wordsOf).map(expanded);
      expect([...whole.map((one) => argument + one), ...words]).toEqual([argument + value]);
    }),
    RUNS,
  );
});
