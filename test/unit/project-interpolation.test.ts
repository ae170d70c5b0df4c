import fc from 'fast-check';
import { expect, test } from 'vitest';
import { interpolate, matchTemplate, parseTemplate, variablesIn } from '../../src/project/interpolation.js';

const lookup = (values: Record<string, string>) => (name: string) =>
  Object.hasOwn(values, name) ? values[name] : undefined;

test.each([
  ['app:$TAG', 'app:v2'],
  ['app:${TAG}', 'app:v2'],
  ['${TAG:-x}', 'v2'],
  ['${NONE:-x}', 'x'],
  ['${NONE-x}', 'x'],
  ['${EMPTY:-x}', 'x'],
  ['${EMPTY-x}', ''],
  ['${TAG:+set}', 'set'],
  ['${EMPTY:+set}', ''],
  ['${EMPTY+set}', 'set'],
  ['${NONE:?must be set}', ''],
  ['${NONE:-${OTHER:-${TAG}}}', 'v2'],
  ['${NONE:-a{b}c}!', 'a{b}c!'],
  ['$$TAG $${TAG}', '$TAG ${TAG}'],
  ['cost: $5, ${, ${}, $', 'cost: $5, ${, ${}, $'],
  ['${TAG', '${TAG'],
  ['${TAG.x}', '${TAG.x}'],
  ['}{', '}{'],
])('%j becomes %j', (text, expected) => {
  expect(interpolate(text, lookup({ TAG: 'v2', EMPTY: '' }))).toBe(expected);
});

test('every variable is found, in default words too', () => {
  const value = { a: ['$A', { b: '${B:-${C:-$D}}' }], c: '$$E', d: 3, f: null, g: '${F:?need $G}' };
  expect(variablesIn(value)).toEqual(['A', 'B', 'C', 'D', 'F', 'G']);
});

test.each([
  ['app:${TAG:-v1}', 'app:v2', {}, { TAG: 'v2' }],
  ['${REG}/app:${TAG}', 'localhost:5000/app:v2', {}, { REG: 'localhost:5000', TAG: 'v2' }],
  ['${REG}/app:${TAG}', 'localhost:5000/app:v2', { REG: 'localhost:5000' }, { TAG: 'v2' }],
  ['${A}-$A', 'x-x', {}, { A: 'x' }],
  ['${A}-$A', 'x-y', {}, undefined],
  ['a.c:${T}', 'abc:1', {}, undefined],
  ['(${A}|[b])', '(1|[b])', {}, { A: '1' }],
  ['${A}', 'two\nlines', {}, { A: 'two\nlines' }],
  ['${A:+on}', 'on', {}, {}],
])('%j as %j, knowing %j, tells %j', (template, actual, known, expected) => {
  expect(matchTemplate(parseTemplate(template), actual, lookup(known))).toEqual(expected);
});

test('a match gives values that render to what was matched', () => {
  const word = fc.stringMatching(/^[a-z0-9.:/()-]{0,8}$/);
  fc.assert(
    fc.property(word, word, word, word, (a, first, b, second) => {
      const template = parseTemplate(`${a}\${X}${b}\${Y:-d}/`);
      const actual = `${a}${first}${b}${second}/`;
      const values = matchTemplate(template, actual, () => undefined);
      if (values === undefined) throw new Error('no match');
      // `:-` takes its word for an empty value, which no value can undo
      if (values['Y'] !== '') expect(interpolate(`${a}\${X}${b}\${Y:-d}/`, lookup(values))).toBe(actual);
    }),
  );
});

test('any text at all is read without failing', () => {
  const pieces = fc.constantFrom('$', '{', '}', ':-', '?', 'A', '$$', '${', 'x', '\n');
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => {
      const text = parts.join('');
      expect(typeof interpolate(text, () => undefined)).toBe('string');
      if (!text.includes('$')) expect(interpolate(text, () => undefined)).toBe(text);
    }),
  );
});

test('long texts with many variables are not tried', () => {
  const many = parseTemplate('${A}${B}${C}${D}${E}!');
  expect(matchTemplate(many, 'x', () => undefined)).toBeUndefined();
  expect(matchTemplate(parseTemplate('$A!'), 'x'.repeat(5000), () => undefined)).toBeUndefined();
});
