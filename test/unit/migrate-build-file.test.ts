import { expect, test } from 'vitest';
import { buildFileErrors } from '../../src/migrate/diagnose/build-file.js';

test.each<[string, string]>([
  ['a plain one', 'FROM node:20\nENV A=1\nCOPY server.mjs /\nEXPOSE 80\nCMD ["node", "/server.mjs"]\n'],
  [
    'arguments before FROM, stages, flags',
    'ARG V=1\nFROM --platform=linux/amd64 node:$V AS base\nFROM base\n',
  ],
  ['lines that go on, with comments in between', 'FROM x\nRUN a \\\n  # why\n\n  && b\n'],
  ['another escape', '# escape=`\nFROM x\nRUN dir `\n  /s\nCOPY a\\ c\n'],
  ['a syntax directive before it', '# syntax=docker/dockerfile:1\n# escape=`\nFROM x\nRUN a `\nb\n'],
  ['texts', 'FROM x\nRUN <<EOF\nnonsense of a shell\nEOF\nCOPY <<-"A" <<B /to/\n\tone\n\tA\ntwo\nB\nCMD x\n'],
  ['what only looks like a text', 'FROM x\nRUN cat <<< word && echo $((1 << 2))\n'],
  ['lower case, Windows lines, a byte order mark', '\uFEFFfrom x\r\nrun y\r\n'],
  ['ONBUILD', 'FROM x\nONBUILD RUN y\n'],
  ['JSON', 'FROM x\nCOPY ["a b", "/c"]\nCMD ["x"]\n'],
])('well: %s', (_, text) => {
  expect(buildFileErrors(text)).toEqual([]);
});

test.each<[string, string, [number, RegExp][]]>([
  ['an unknown instruction', 'FROM x\n\nRUNN y\n', [[3, /unknown instruction RUNN/]]],
  [
    'two of them',
    'FROM x\nCOPPY a b\nRUN y\nEXPSE 1\n',
    [
      [2, /COPPY/],
      [4, /EXPSE/],
    ],
  ],
  ['a lost continuation', 'FROM x\nRUN a &&\n  b\n', [[3, /unknown instruction B/]]],
  ['after lines that go on', 'FROM x\nRUN a \\\n  b\nRUNN c\n', [[4, /RUNN/]]],
  ['nothing', '# only a comment\n', [[1, /no FROM/]]],
  ['no FROM', 'RUN x\n', [[1, /RUN comes before the first FROM/]]],
  ['FROM without an image', 'FROM\n', [[1, /FROM has no arguments/]]],
  ['FROM with too much', 'FROM a b c\n', [[1, /FROM takes/]]],
  ['half a COPY', 'FROM x\nCOPY --chown=1 a\n', [[2, /COPY takes/]]],
  [
    'a text without an end',
    'FROM x\nRUN <<EOF\necho\n',
    [
      [2, /no EOF at its end/],
      [3, /unknown instruction ECHO/],
    ],
  ],
  ['ONBUILD', 'FROM x\nONBUILD RUNN y\n', [[2, /RUNN/]]],
])('broken: %s', (_, text, expected) => {
  const errors = buildFileErrors(text);
  expect(errors.map(({ line }) => line)).toEqual(expected.map(([line]) => line));
  errors.forEach(({ problem }, index) => expect(problem).toMatch(expected[index]?.[1] ?? /^$/));
});
